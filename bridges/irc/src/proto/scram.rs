//! SCRAM-SHA-256 (RFC 5802 with the hash of RFC 7677), the client's side, without channel binding.
//! Called by `sasl`, which does the framing.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, hmac, pbkdf2};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use monster_bridge_api::Secret;
use std::num::NonZeroU32;

/// Rounds a server may ask for: fewer are not safe (RFC 7677 §4), more would keep us busy for it.
const ROUNDS: std::ops::RangeInclusive<u32> = 4_096..=250_000;

/// The exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramError {
    /// The server said something that is not SCRAM, or out of turn.
    #[error("the server does not keep to SCRAM")]
    Malformed,
    /// The rounds are out of bounds.
    #[error("the server asks for too few or too many rounds of SCRAM")]
    Rounds,
    /// The server does not know the password itself: it is not the one we think it is.
    #[error("the server could not prove that it knows the password")]
    NotTheServer,
    /// The server refused us.
    #[error("the server refused the password")]
    Refused,
    /// Account or password cannot be written in SCRAM.
    #[error("account or password hold characters that SCRAM does not allow")]
    Prohibited,
}

/// An exchange under way.
#[derive(Debug)]
pub(super) struct Scram {
    password: Secret,
    nonce: String,
    first_bare: String,
    expected: Option<[u8; digest::SHA256_OUTPUT_LEN]>,
}

impl Scram {
    /// Begins with a nonce of printable characters without a comma.
    pub(super) fn new(account: &str, password: &Secret, nonce: String) -> Result<Self, ScramError> {
        let account = stringprep::saslprep(account).map_err(|_| ScramError::Prohibited)?;
        let password = stringprep::saslprep(password.reveal()).map_err(|_| ScramError::Prohibited)?;
        let account = account.replace('=', "=3D").replace(',', "=2C");
        Ok(Self {
            password: Secret::new(password.into_owned()),
            first_bare: format!("n={account},r={nonce}"),
            nonce,
            expected: None,
        })
    }

    /// What the client says first.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Answers what the server says; the empty answer acknowledges its proof.
    pub(super) fn answer(&mut self, server: &[u8]) -> Result<String, ScramError> {
        let server = std::str::from_utf8(server).map_err(|_| ScramError::Malformed)?;
        match self.expected {
            None => self.prove(server),
            Some(expected) => verify(server, &expected),
        }
    }

    /// True once the server has proven that it knows the password.
    fn prove(&mut self, server_first: &str) -> Result<String, ScramError> {
        let nonce = attribute(server_first, 'r').ok_or(ScramError::Malformed)?;
        if server_first.starts_with("m=") || nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(ScramError::Malformed);
        }
        let salt =
            attribute(server_first, 's').and_then(|salt| BASE64.decode(salt).ok()).ok_or(ScramError::Malformed)?;
        let rounds =
            attribute(server_first, 'i').and_then(|rounds| rounds.parse().ok()).ok_or(ScramError::Malformed)?;
        let rounds =
            NonZeroU32::new(rounds).filter(|rounds| ROUNDS.contains(&rounds.get())).ok_or(ScramError::Rounds)?;
        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, self.password.reveal().as_bytes(), &mut salted);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        let final_bare = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{final_bare}", self.first_bare);
        let mut proof = sign(stored_key.as_ref(), auth_message.as_bytes());
        proof.iter_mut().zip(client_key).for_each(|(proof, key)| *proof ^= key);
        self.expected = Some(sign(&sign(&salted, b"Server Key"), auth_message.as_bytes()));
        Ok(format!("{final_bare},p={}", BASE64.encode(proof)))
    }
}

fn verify(server_final: &str, expected: &[u8]) -> Result<String, ScramError> {
    if attribute(server_final, 'e').is_some() {
        return Err(ScramError::Refused);
    }
    let signature =
        attribute(server_final, 'v').and_then(|value| BASE64.decode(value).ok()).ok_or(ScramError::Malformed)?;
    verify_slices_are_equal(&signature, expected).map_err(|_| ScramError::NotTheServer)?;
    Ok(String::new())
}

fn attribute(message: &str, name: char) -> Option<&str> {
    message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

fn sign(key: &[u8], message: &[u8]) -> [u8; digest::SHA256_OUTPUT_LEN] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut out = [0; digest::SHA256_OUTPUT_LEN];
    out.copy_from_slice(tag.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The exchange of RFC 7677 §3.
    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn begin() -> Scram {
        Scram::new("user", &Secret::new("pencil"), NONCE.into()).unwrap()
    }

    #[test]
    fn the_exchange_of_the_specification_succeeds() {
        let mut scram = begin();
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        assert_eq!(
            scram.answer(SERVER_FIRST.as_bytes()).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(scram.answer(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap(), "");
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let mut scram = begin();
        scram.answer(SERVER_FIRST.as_bytes()).unwrap();
        assert_eq!(scram.answer(b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramError::NotTheServer));
        assert_eq!(scram.answer(b"e=invalid-proof"), Err(ScramError::Refused));
        assert_eq!(scram.answer(b"nonsense"), Err(ScramError::Malformed));
    }

    #[test]
    fn a_server_cannot_weaken_the_exchange_or_keep_us_busy() {
        for (server, error) in [
            ("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ScramError::Malformed),
            ("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ScramError::Malformed),
            ("m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ScramError::Malformed),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096", ScramError::Malformed),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1", ScramError::Rounds),
            ("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000", ScramError::Rounds),
        ] {
            assert_eq!(begin().answer(server.as_bytes()), Err(error), "{server}");
        }
    }

    #[test]
    fn names_are_prepared_and_escaped() {
        let scram = Scram::new("a=b,c\u{ad}", &Secret::new("x"), NONCE.into()).unwrap();
        assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO");
        assert!(matches!(Scram::new("a\u{7}", &Secret::new("x"), NONCE.into()), Err(ScramError::Prohibited)));
    }
}

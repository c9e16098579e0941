//! Proving that the password is known without sending it (SCRAM, RFC 5802), with SHA-256 or SHA-1,
//! without channel binding; and that the server knows it too.

use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::num::NonZeroU32;

/// The most rounds that a server may ask for: it costs our time, not its own.
const ROUNDS: u32 = 1_000_000;
/// "No channel binding", in base64.
const HEADER: &str = "n,,";

/// The hash of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        }
    }

    fn sign(self, key: &[u8], text: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac(), key), text).as_ref().to_vec()
    }
}

/// One login.
pub(super) struct Scram {
    hash: Hash,
    first: String,
    nonce: String,
}

/// What the server must answer at the end.
pub(super) struct Signature(Vec<u8>);

impl Scram {
    /// For a user; `nonce` is random.
    pub(super) fn new(hash: Hash, user: &str, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { hash, first: format!("n={user},r={nonce}"), nonce: nonce.to_owned() }
    }

    /// The first message.
    pub(super) fn begin(&self) -> String {
        format!("{HEADER}{}", self.first)
    }

    /// The answer to the server's challenge, and what it must say then.
    pub(super) fn answer(&self, challenge: &str, password: &str) -> Result<(String, Signature), String> {
        let part = |name: &str| {
            challenge.split(',').find_map(|part| part.strip_prefix(name)).ok_or("the server's challenge is not SCRAM's")
        };
        let (nonce, salt, rounds) = (part("r=")?, part("s=")?, part("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server's challenge is not for us".to_owned());
        }
        let salt = BASE64_STANDARD.decode(salt).map_err(|error| error.to_string())?;
        let rounds = rounds.parse::<u32>().ok().filter(|rounds| *rounds <= ROUNDS).and_then(NonZeroU32::new);
        let rounds = rounds.ok_or("the server asks for too many rounds")?;
        let mut salted = vec![0; self.hash.digest().output_len()];
        pbkdf2::derive(self.hash.pbkdf2(), rounds, &salt, password.as_bytes(), &mut salted);
        let without_proof = format!("c={},r={nonce}", BASE64_STANDARD.encode(HEADER));
        let signed = format!("{},{challenge},{without_proof}", self.first);
        let client_key = self.hash.sign(&salted, b"Client Key");
        let stored = digest::digest(self.hash.digest(), &client_key);
        let signature = self.hash.sign(stored.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        let server_key = self.hash.sign(&salted, b"Server Key");
        let expected = Signature(self.hash.sign(&server_key, signed.as_bytes()));
        Ok((format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)), expected))
    }
}

impl Signature {
    /// Whether the server knows the password too.
    pub(super) fn is(&self, last: &str) -> bool {
        let given = last.strip_prefix("v=").and_then(|given| BASE64_STANDARD.decode(given).ok());
        given.is_some_and(|given| constant_time::verify_slices_are_equal(&given, &self.0).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specifications_are_answered_as_there() {
        // RFC 5802 §5 and RFC 7677 §3.
        let cases = [
            (
                Hash::Sha1,
                "fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                Hash::Sha256,
                "rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ];
        for (hash, nonce, challenge, proof, last) in cases {
            let (answer, signature) = Scram::new(hash, "user", nonce).answer(challenge, "pencil").unwrap();
            assert!(answer.ends_with(&format!(",p={proof}")), "{answer}");
            assert!(signature.is(last) && !signature.is("v=AAAA") && !signature.is(""));
        }
    }

    #[test]
    fn a_challenge_for_somebody_else_or_of_endless_work_is_refused() {
        let scram = Scram::new(Hash::Sha256, "user", "abc");
        for challenge in
            ["", "r=abc,s=QQ==,i=1", "r=xyzabc,s=QQ==,i=1", "r=abcd,s=QQ==,i=99999999", "r=abcd,s=QQ==,i=0"]
        {
            assert!(scram.answer(challenge, "pencil").is_err(), "{challenge}");
        }
    }
}

//! The keys of packets of media, overheard between the engine and its DTLS: it does not give them
//! out, but lets itself be given the cryptography. `engine` asks for what was overheard of a session.

use crate::srtp::Keys;
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile};
use str0m::crypto::from_feature_flags;

/// A session's keys, once there are any. None where the far side does without AES-GCM.
pub(crate) type SharedKeys = Arc<OnceLock<Keys>>;

thread_local! {
    /// What will be overheard of the session that was made last on this thread.
    static LAST: RefCell<Option<SharedKeys>> = const { RefCell::new(None) };
}

/// The engine's cryptography, overheard.
pub(super) fn provider() -> CryptoProvider {
    let provider = from_feature_flags();
    let listening: &'static Listening = Box::leak(Box::new(Listening(provider.dtls_provider)));
    CryptoProvider { dtls_provider: listening, ..provider }
}

/// What is overheard of the session that was just made.
pub(super) fn of_last() -> SharedKeys {
    LAST.take().unwrap_or_default()
}

#[derive(Debug)]
struct Listening(&'static dyn DtlsProvider);

impl DtlsProvider for Listening {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let keys = SharedKeys::default();
        LAST.set(Some(keys.clone()));
        Ok(Box::new(Association { inner: self.0.new_dtls(cert, now, version, mtu)?, keys }))
    }

    fn is_test(&self) -> bool {
        self.0.is_test()
    }
}

#[derive(Debug)]
struct Association {
    inner: Box<dyn DtlsInstance>,
    keys: SharedKeys,
}

impl DtlsInstance for Association {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(exported, profile) = &output
            && matches!(profile, SrtpProfile::AEAD_AES_128_GCM | SrtpProfile::AEAD_AES_256_GCM)
            && let Some(keys) = Keys::derive(exported, self.inner.is_active())
        {
            // (There is one handshake in a session's life.)
            let _ = self.keys.set(keys);
        }
        output
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

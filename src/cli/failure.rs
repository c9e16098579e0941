//! How a command ends when it could not do what it was asked: one line for a person, and an exit
//! code after `sysexits.h`, so that scripts can tell what kind of thing went wrong.

use crate::config::Problems;
use crate::core::AdminError;
use crate::store::StoreError;
use std::fmt::Display;

/// What a command comes to.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// `EX_USAGE`: the command line.
pub(super) const USAGE: u8 = 64;
/// `EX_DATAERR`: what was given cannot be used.
const DATA: u8 = 65;
/// `EX_NOINPUT`: what was named is not there.
const MISSING: u8 = 66;
/// `EX_UNAVAILABLE`: something that is needed does not answer.
const UNAVAILABLE: u8 = 69;
/// `EX_OSERR`: the machine does not do it.
const SYSTEM: u8 = 71;
/// `EX_TEMPFAIL`: again, later.
const LATER: u8 = 75;
/// `EX_NOPERM`: one may not.
const PERMISSION: u8 = 77;
/// `EX_CONFIG`: the configuration.
const CONFIG: u8 = 78;

/// Why a command could not do it.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    fn new(code: u8, line: impl Display) -> Self {
        Self { code, line: line.to_string() }
    }

    /// What was given cannot be used.
    pub(super) fn data(line: impl Display) -> Self {
        Self::new(DATA, line)
    }

    /// What was named is not there.
    pub(super) fn missing(line: impl Display) -> Self {
        Self::new(MISSING, line)
    }

    /// Something that is needed does not answer.
    pub(super) fn unavailable(line: impl Display) -> Self {
        Self::new(UNAVAILABLE, line)
    }

    /// The machine does not do it.
    pub(super) fn system(line: impl Display) -> Self {
        Self::new(SYSTEM, line)
    }

    /// Again, later.
    pub(super) fn later(line: impl Display) -> Self {
        Self::new(LATER, line)
    }

    /// One may not.
    pub(super) fn permission(line: impl Display) -> Self {
        Self::new(PERMISSION, line)
    }

    /// The configuration has faults that were told already.
    pub(super) fn config_told() -> Self {
        Self::new(CONFIG, "")
    }

    /// What it says.
    #[cfg(feature = "caller")]
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// What to exit with.
    pub(super) fn code(&self) -> u8 {
        self.code
    }

    /// Tells the person, on standard error.
    pub(super) fn tell(&self) {
        if !self.line.is_empty() {
            super::print::complain(&self.line);
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::new(CONFIG, problems)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Conflict(_) => DATA,
            StoreError::Missing(_) => MISSING,
            StoreError::Failed { .. } => SYSTEM,
            StoreError::Busy => LATER,
        };
        Self::new(code, error)
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            AdminError::Invalid { .. } => Self::data(error),
        }
    }
}

//! Reads a type from a serde string by its `FromStr`, without a copy of the text. Called by the
//! `Deserialize` of `address` and `authority`.

use serde::de::{Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

pub(crate) struct FromText<T> {
    expected: &'static str,
    made: PhantomData<T>,
}

impl<T> FromText<T> {
    /// `expected`: what the text should be, for the error.
    pub(crate) fn new(expected: &'static str) -> Self {
        Self { expected, made: PhantomData }
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

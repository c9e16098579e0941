//! The fields of a frame as they were written, before they are checked against each other: one pass
//! over the text, borrowing from it, the same for strict JSON and JSON5. Called by `read` only.
//!
//! A field of a wrong type is no error here but kept as such, so that a `messageId` behind it is
//! still read and the answer can name it. For the same reason the fields are filled in place: after
//! a syntax error, those before it are there.

use crate::InfoItem;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// How deep the values of unknown fields may be nested. (`serde_json` skips them without recursion,
/// `json5` recurses.)
const MAX_DEPTH: u8 = 32;

/// How many `info` rows are kept; further ones are left out.
const MAX_INFO_ROWS: usize = 256;

macro_rules! fields {
    ($($name:ident = $wire:literal),+ $(,)?) => {
        /// The fields of all frames.
        #[derive(Debug, Default)]
        pub(crate) struct Wire<'a> {
            $(pub(crate) $name: Value<'a>,)+
            pub(crate) info: Vec<InfoItem<'a>>,
            /// A field that came twice.
            pub(crate) repeated: Option<&'static str>,
            /// Which fields came: a bit each.
            seen: u32,
        }

        #[derive(Clone, Copy)]
        #[expect(non_camel_case_types, reason = "the same names as the fields they stand for")]
        enum Key {
            $($name,)+
            info,
            unknown,
        }

        impl Key {
            fn of(key: &str) -> Self {
                match key {
                    $($wire => Self::$name,)+
                    "info" => Self::info,
                    _ => Self::unknown,
                }
            }
        }

        impl<'a> Wire<'a> {
            /// Where a field goes, and what it is called.
            fn slot(&mut self, key: Key) -> Option<(&mut Value<'a>, &'static str)> {
                match key {
                    $(Key::$name => Some((&mut self.$name, $wire)),)+
                    Key::info | Key::unknown => None,
                }
            }
        }
    };
}

fields! {
    message_id = "messageId",
    code = "code",
    status_code = "statusCode",
    text = "text",
    pass = "pass",
    recall_message_id = "recallMessageId",
    nickname = "nickname",
    picurl = "picurl",
    account_type = "accountType",
    kind = "type",
    error = "error",
    location = "location",
    from = "from",
    to = "to",
    time = "time",
    reply_to = "replyTo",
    replaces = "replaces",
    reaction = "reaction",
}

impl Key {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// The optional extra fields of requests.
const EXTRA: u32 = Key::from.bit()
    | Key::to.bit()
    | Key::nickname.bit()
    | Key::time.bit()
    | Key::reply_to.bit()
    | Key::replaces.bit()
    | Key::reaction.bit();

impl Wire<'_> {
    /// True if any of the optional extra fields of requests came. Most frames have none.
    pub(crate) fn has_extra(&self) -> bool {
        self.seen & EXTRA != 0
    }

    /// True if it is meant as an answer: a peer that copies `code` into its answers must not have
    /// them taken for requests.
    pub(crate) fn is_response(&self) -> bool {
        self.status_code != Value::Absent
    }
}

/// One value, as far as frames have use for it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// Not there, or `null`.
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Number(u64),
    /// Something that no field is; named for the error.
    Other(&'static str),
}

impl<'a> Value<'a> {
    /// A text, or a number as text.
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Absent | Self::Other(_) => None,
        }
    }
}

/// Fills a [`Wire`].
pub(crate) struct Fill<'w, 'a>(pub(crate) &'w mut Wire<'a>);

impl<'a> DeserializeSeed<'a> for Fill<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Fill<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match self.0.slot(key) {
                Some((slot, name)) => {
                    *slot = map.next_value_seed(ValueSeed)?;
                    if self.0.seen & key.bit() != 0 {
                        self.0.repeated = Some(name);
                    }
                    self.0.seen |= key.bit();
                }
                None if matches!(key, Key::info) => map.next_value_seed(Info(&mut self.0.info))?,
                None => map.next_value_seed(Skip(MAX_DEPTH))?,
            }
        }
        Ok(())
    }
}

struct KeySeed;

impl<'a> DeserializeSeed<'a> for KeySeed {
    type Value = Key;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        Ok(Key::of(key))
    }
}

struct ValueSeed;

impl<'a> DeserializeSeed<'a> for ValueSeed {
    type Value = Value<'a>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Value<'a>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for ValueSeed {
    type Value = Value<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'a>, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value<'a>, E> {
        Ok(Value::Text(Cow::Owned(text)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'a>, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value<'a>, E> {
        Ok(u64::try_from(number).map_or(Value::Other("a negative number"), Value::Number))
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within 2^53")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<Value<'a>, E> {
        let whole = number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number);
        Ok(if whole { Value::Number(number as u64) } else { Value::Other("a number of another kind") })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value<'a>, E> {
        Ok(Value::Other("a truth value"))
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'a>, E> {
        Ok(Value::Absent)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<Value<'a>, A::Error> {
        Skip(MAX_DEPTH).visit_seq(seq).map(|()| Value::Other("a list"))
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Value<'a>, A::Error> {
        Skip(MAX_DEPTH).visit_map(map).map(|()| Value::Other("an object"))
    }
}

/// The visits of everything but lists and objects, by a visitor that has no use for it.
macro_rules! leaves {
    ($value:expr) => {
        fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($value)
        }
    };
}

/// Reads over a value of at most this depth.
#[derive(Clone, Copy)]
struct Skip(u8);

impl Skip {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'a> DeserializeSeed<'a> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_ignored_any(self)
    }
}

impl<'a> Visitor<'a> for Skip {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    leaves!(());

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while seq.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// Reads the `info` list; what is no row of one is read over.
struct Info<'w, 'a>(&'w mut Vec<InfoItem<'a>>);

impl<'a> DeserializeSeed<'a> for Info<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Info<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.clear();
        while let Some(row) = seq.next_element_seed(Row)? {
            if self.0.len() < MAX_INFO_ROWS {
                self.0.extend(row);
            }
        }
        Ok(())
    }

    leaves!(());

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<(), A::Error> {
        Skip(MAX_DEPTH).visit_map(map)
    }
}

/// Reads one row of `info`; `None` for what is none.
struct Row;

impl<'a> DeserializeSeed<'a> for Row {
    type Value = Option<InfoItem<'a>>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Row {
    type Value = Option<InfoItem<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with title and value")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut title, mut value) = (Value::Absent, Value::Absent);
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match &*key {
                "title" => title = map.next_value_seed(ValueSeed)?,
                "value" => value = map.next_value_seed(ValueSeed)?,
                _ => map.next_value_seed(Skip(MAX_DEPTH))?,
            }
        }
        Ok(title.into_text().zip(value.into_text()).map(|(title, value)| InfoItem { title, value }))
    }

    leaves!(None);

    fn visit_seq<A: SeqAccess<'a>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Skip(MAX_DEPTH).visit_seq(seq).map(|()| None)
    }
}

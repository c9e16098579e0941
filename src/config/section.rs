//! How a section of the configuration is declared: once, with types, defaults and words for people.
//! From that declaration come the struct, its reading with every fault reported, and the
//! documentation of its keys.

use super::layers::Reader;

/// One key of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Its name within the section; dotted where the section has tables of its own.
    pub name: &'static str,
    /// What it takes, for a person.
    pub what: &'static str,
    /// What it is if nobody sets it, as TOML.
    pub default: &'static str,
    /// What it is for, line by line.
    pub about: &'static [&'static str],
    /// Whether it can be given as `…_file`.
    pub secret: bool,
}

/// A section of the configuration. Declared with [`section!`].
pub(super) trait Section: Sized {
    /// Its name in the file.
    const NAME: &'static str;
    /// What it is for, line by line.
    const ABOUT: &'static [&'static str];
    /// Its keys.
    const KEYS: &'static [Key];

    /// Reads it; `None` if any of its keys cannot be read, which the reader has noted by then.
    fn read(reader: &mut Reader) -> Option<Self>;
}

/// A section's name, words and keys, without its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is for, line by line.
    pub about: &'static [&'static str],
    /// Its keys.
    pub keys: &'static [Key],
}

impl Outline {
    /// The outline of a section.
    pub(super) const fn of<S: Section>() -> Self {
        Self { name: S::NAME, about: S::ABOUT, keys: S::KEYS }
    }
}

/// Declares a section: a struct whose fields each have a key, a type and a default in TOML. The
/// section must have `fn check(&self, reader: &mut Reader)`, which notes what the types alone
/// cannot see.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident: $section:literal {
            $(
                $(#[doc = $doc:literal])*
                $key:literal => $field:ident: $type:ty = $default:literal,
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
        }

        impl $crate::config::section::Section for $name {
            const NAME: &'static str = $section;
            const ABOUT: &'static [&'static str] = &[$($about),*];
            const KEYS: &'static [$crate::config::section::Key] = &[$(
                $crate::config::section::Key {
                    name: $key,
                    what: <$type as $crate::config::setting::Setting>::WHAT,
                    default: $default,
                    about: &[$($doc),*],
                    secret: <$type as $crate::config::setting::Setting>::SECRET,
                }
            ),*];

            fn read(reader: &mut $crate::config::layers::Reader) -> Option<Self> {
                $( let $field = reader.take::<$type>(concat!($section, ".", $key)); )*
                let section = Self { $( $field: $field? ),* };
                section.check(reader);
                Some(section)
            }
        }
    };
}
pub(super) use section;

//! How a server compares names (`CASEMAPPING` of ISUPPORT): the one place where two spellings of a
//! nick or channel become one, or stay two (CVE-2022-39203).

/// A case mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum CaseMap {
    /// Only `A`–`Z` have lower case.
    Ascii,
    /// Also `[]\~` are the upper case of `{}|^`: what servers use that do not say (RFC 1459 §2.2).
    #[default]
    Rfc1459,
    /// As `Rfc1459`, without `~` and `^`.
    Rfc1459Strict,
    /// Unicode lower case, as servers with `CASEMAPPING=precis` or `rfc7613` do for most names.
    Unicode,
}

impl CaseMap {
    /// The mapping a server names; an unknown one is taken as ASCII, which merges the least.
    pub fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "rfc1459" => Self::Rfc1459,
            "rfc1459-strict" | "strict-rfc1459" => Self::Rfc1459Strict,
            "precis" | "rfc7613" | "rfc8265" | "utf-8" | "utf8" => Self::Unicode,
            _ => Self::Ascii,
        }
    }

    /// The form names are compared in.
    pub fn fold(self, name: &str) -> String {
        match self {
            Self::Unicode => name.to_lowercase(),
            _ => name.chars().map(|c| self.lower(c)).collect(),
        }
    }

    /// True if the server takes both for the same name.
    pub fn eq(self, a: &str, b: &str) -> bool {
        self.fold(a) == self.fold(b)
    }

    fn lower(self, c: char) -> char {
        match (self, c) {
            (_, 'A'..='Z') => c.to_ascii_lowercase(),
            (Self::Rfc1459 | Self::Rfc1459Strict, '[') => '{',
            (Self::Rfc1459 | Self::Rfc1459Strict, ']') => '}',
            (Self::Rfc1459 | Self::Rfc1459Strict, '\\') => '|',
            (Self::Rfc1459, '~') => '^',
            _ => c,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_mapping_merges_what_it_should_and_no_more() {
        assert!(CaseMap::Rfc1459.eq("Nick[a]\\~", "nICK{A}|^"));
        assert!(CaseMap::Rfc1459Strict.eq("n[]\\", "N{}|"));
        assert!(!CaseMap::Rfc1459Strict.eq("a~", "a^"));
        assert!(!CaseMap::Ascii.eq("a[", "a{"));
        assert!(CaseMap::Ascii.eq("#RUST", "#rust"));
        assert!(!CaseMap::Ascii.eq("#É", "#é"));
        assert!(CaseMap::Unicode.eq("#É", "#é"));
        assert!(!CaseMap::Unicode.eq("a[", "a{"));
    }

    #[test]
    fn names_that_differ_by_more_than_case_stay_apart() {
        for map in [CaseMap::Ascii, CaseMap::Rfc1459, CaseMap::Rfc1459Strict, CaseMap::Unicode] {
            for (a, b) in [("#a", "##a"), ("#a", "#a "), ("#a", "&a"), ("#ab", "#a\u{200b}b"), ("#a", "#а")] {
                assert!(!map.eq(a, b), "{a} {b} {map:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(name in "\\PC{0,20}") {
            for map in [CaseMap::Ascii, CaseMap::Rfc1459, CaseMap::Rfc1459Strict, CaseMap::Unicode] {
                let once = map.fold(&name);
                prop_assert_eq!(map.fold(&once), once);
            }
        }
    }
}

//! What holds for any input of the target `address`; the tests of `protocol` replay its seeds with it.

use monster_protocol::Address;

/// A text is refused, or is an address whose spelling and URL lead back to it.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for address in [text.parse(), Address::parse_lenient(text), Address::from_url(text)].into_iter().flatten() {
        assert_eq!(address.as_str().parse().as_ref(), Ok(&address));
        assert_eq!(Address::from_url(&address.to_url(true)).as_ref(), Ok(&address));
        assert_eq!(Address::from_path(address.authority(), &address.to_path()).as_ref(), Ok(&address));
        let path: Vec<_> = address.path().collect();
        assert_eq!(Address::new(&address.name(), &path, address.authority()).as_ref(), Ok(&address));
    }
}

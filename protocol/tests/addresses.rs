//! Addresses as the contract has them: the seed's examples, what must be encoded, what is refused,
//! and address ⇄ URL as the identity.

use monster_protocol::{Address, AddressError, Authority, MAX_ADDRESS_BYTES};
use proptest::prelude::*;

fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> AddressError {
    match text.parse::<Address>() {
        Err(error) => error,
        Ok(address) => panic!("{text}: {address:?}"),
    }
}

fn path(address: &Address) -> Vec<String> {
    address.path().map(Into::into).collect()
}

#[test]
fn the_examples_of_the_seed_lead_to_their_urls_and_back() {
    for (text, url) in [
        ("@bobcbui:ooqn.com", "ws://ooqn.com/bobcbui"),
        ("@bobcbui:user:ooqn.com", "ws://ooqn.com/user/bobcbui"),
        ("@bobcbui:api:ooqn.com", "ws://ooqn.com/api/bobcbui"),
        ("@bobcbui:api:232.222.123:8080", "ws://232.222.123:8080/api/bobcbui"),
    ] {
        assert_eq!(address(text).to_string(), text);
        assert_eq!(address(text).to_url(false), url);
        assert_eq!(Address::from_url(url).unwrap(), address(text));
    }
}

#[test]
fn names_of_other_networks_stand_in_addresses_as_they_are() {
    for (text, name, segments, url) in [
        ("@#rust:libera:gw.example.org", "#rust", vec!["libera"], "wss://gw.example.org/libera/%23rust"),
        ("@bob@matrix.org:matrix:gw", "bob@matrix.org", vec!["matrix"], "wss://gw/matrix/bob@matrix.org"),
        ("@!opaque:matrix:gw", "!opaque", vec!["matrix"], "wss://gw/matrix/!opaque"),
        ("@[bob]\\^:libera:gw", "[bob]\\^", vec!["libera"], "wss://gw/libera/%5Bbob%5D%5C%5E"),
        ("@Zoë Ω:a:b:gw:1", "Zoë Ω", vec!["a", "b"], "wss://gw:1/a/b/Zo%C3%AB%20%CE%A9"),
        ("@100%25:gw", "100%", vec![], "wss://gw/100%25"),
        ("@a%3Ab%2Fc:gw", "a:b/c", vec![], "wss://gw/a%3Ab%2Fc"),
        ("@a%0Ab%C2%85:gw", "a\nb\u{85}", vec![], "wss://gw/a%0Ab%C2%85"),
        ("@?x=1#f:gw", "?x=1#f", vec![], "wss://gw/%3Fx=1%23f"),
    ] {
        let parsed = address(text);
        assert_eq!(
            (parsed.as_str(), &*parsed.name(), path(&parsed)),
            (text, name, segments.iter().map(ToString::to_string).collect())
        );
        assert_eq!(parsed.to_url(true), url);
        assert_eq!(Address::from_url(url).unwrap(), parsed);
        assert_eq!(Address::new(name, &segments, parsed.authority()).unwrap(), parsed);
        assert_eq!(Address::from_path(parsed.authority(), &parsed.to_path()).unwrap(), parsed);
    }
}

#[test]
fn an_escape_that_need_not_be_is_the_same_address() {
    assert_eq!(address("@%61lice:%70ath:gw").as_str(), "@alice:path:gw");
    assert_eq!(address("@a%3ab:gw").as_str(), "@a%3Ab:gw");
    assert_eq!(address("@%E9%A3%9F:gw").as_str(), "@食:gw");
}

#[test]
fn hosts_compare_without_case_and_in_their_idna_form_and_names_exactly() {
    assert_eq!(address("@a:BÜCHER.example"), address("@a:xn--bcher-kva.example"));
    assert_eq!(address("@a:GW.example.org").authority().host(), "gw.example.org");
    assert_eq!(address("@a:ｇｗ。example"), address("@a:gw.example"));
    assert_ne!(address("@A:gw"), address("@a:gw"));
    assert_ne!(address("@e\u{301}:gw"), address("@é:gw"));
    assert_eq!(address("@a:my_host").authority().host(), "my_host");
}

#[test]
fn a_last_segment_of_digits_is_a_port_if_a_host_is_left() {
    let parts = |text: &str| {
        let address = address(text);
        (address.name().into_owned(), path(&address), address.authority().host().to_owned(), address.authority().port())
    };
    assert_eq!(parts("@a:h:80"), ("a".into(), vec![], "h".into(), Some(80)));
    assert_eq!(parts("@a:8080"), ("a".into(), vec![], "8080".into(), None));
    assert_eq!(parts("@a:8080:9090"), ("a".into(), vec![], "8080".into(), Some(9090)));
    assert_eq!(parts("@a:1:2:3"), ("a".into(), vec!["1".into()], "2".into(), Some(3)));
    assert_eq!(address("@a:h:0080").as_str(), "@a:h:80");
    assert_ne!(address("@a:h"), address("@a:h:80"));
    for text in ["@a:h:0", "@a:h:65536", "@a:h:99999999999999999999"] {
        assert!(matches!(refused(text), AddressError::Port(_)), "{text}");
    }
}

#[test]
fn a_host_that_would_read_as_a_port_is_refused_and_not_taken_for_another_address() {
    let digits = Authority::new("8080", None).unwrap();
    assert!(matches!(Address::new("a", &["p"], &digits), Err(AddressError::HostReadsAsPort(_))));
    assert!(matches!(Address::from_url("ws://8080/p/a"), Err(AddressError::HostReadsAsPort(_))));
    assert_eq!(Address::from_url("ws://8080/a").unwrap(), address("@a:8080"));
    // Full-width digits are digits once they are in the IDNA form.
    assert!(matches!(
        Address::new("a", &["p"], &Authority::new("８０", None).unwrap()),
        Err(AddressError::HostReadsAsPort(_))
    ));
}

#[test]
fn the_colons_of_an_ipv6_host_belong_to_it() {
    let parsed = address("@a:p:[2001:DB8:0::1]:8080");
    assert_eq!(parsed.as_str(), "@a:p:[2001:db8::1]:8080");
    assert_eq!((parsed.authority().bare_host(), parsed.authority().port()), ("2001:db8::1", Some(8080)));
    assert_eq!(parsed.to_url(false), "ws://[2001:db8::1]:8080/p/a");
    assert_eq!(Address::from_url("ws://[2001:db8::1]:8080/p/a").unwrap(), parsed);
    assert_eq!(address("@a:[::1]").authority().to_string(), "[::1]");
    assert_eq!(address("@[bob:[::1]:7").name(), "[bob");
    assert_eq!(Authority::new("::1", Some(7)).unwrap().to_string(), "[::1]:7");
    for text in ["@a:[::1", "@a:::1", "@a:[nonsense]", "@a:[::1%25eth0]", "@[::1]:80", "@a:[::1]x", "@a:[127.0.0.1]"] {
        refused(text);
    }
}

#[test]
fn what_cannot_stand_in_a_url_path_is_no_address() {
    for (text, expected) in [
        ("", AddressError::NoAt),
        ("alice:gw", AddressError::NoAt),
        ("@alice", AddressError::NoHost),
        ("@:gw", AddressError::EmptySegment),
        ("@a::gw", AddressError::EmptySegment),
        ("@.:gw", AddressError::DotSegment),
        ("@a:..:gw", AddressError::DotSegment),
        ("@%2E%2e:gw", AddressError::DotSegment),
        ("@a\nb:gw", AddressError::Control),
        ("@a\u{85}b:gw", AddressError::Control),
        ("@a:p\0:gw", AddressError::Control),
        ("@50%:gw", AddressError::BadEscape),
        ("@%4:gw", AddressError::BadEscape),
        ("@%+1:gw", AddressError::BadEscape),
        ("@%ff:gw", AddressError::NotUtf8),
    ] {
        assert_eq!(refused(text), expected, "{text:?}");
    }
    for text in [
        "@a:",
        "@a:b c",
        "@a:gw..org",
        "@a:gw.",
        "@a:gw\r\n",
        "@a:x@y",
        "@a:g%77",
        "@a:h/p",
        "@a:h?q",
        "@a:h\\p",
        "@a:\u{ad}",
        "@a:xn--a",
    ] {
        assert!(matches!(refused(text), AddressError::Host { .. }), "{text:?}");
    }
}

#[test]
fn a_slash_in_a_typed_name_is_taken_and_written_as_its_escape() {
    assert_eq!(address("@a/b:gw").as_str(), "@a%2Fb:gw");
}

#[test]
fn urls_other_than_of_accounts_are_refused() {
    for url in [
        "http://gw/a",
        "gw/a",
        "ws:/gw/a",
        "ws://u@gw/a",
        "ws://gw",
        "ws://gw/",
        "ws://gw/a/",
        "ws://gw//a",
        "ws:///a",
        "ws://gw/../a",
        "ws://gw/%2e%2e/a",
        "ws://gw/a\nb",
        "ws://gw:x/a",
        "ws://gw:/a",
        "ws://gw/%zz",
    ] {
        assert!(Address::from_url(url).is_err(), "{url:?}");
    }
}

#[test]
fn a_url_means_the_same_with_a_query_and_in_either_scheme() {
    for url in ["ws://gw/p/a?token=secret/x", "WSS://GW/p/a", "ws://gw/p/a#f?", "ws://gw/%70/%61"] {
        assert_eq!(Address::from_url(url).unwrap(), address("@a:p:gw"), "{url}");
    }
}

#[test]
fn the_older_spelling_with_dots_is_read_where_asked_for() {
    let lenient = |text: &str| Address::parse_lenient(text).map(|a| a.to_string());
    assert_eq!(lenient("@member.alice@example.org:8080").unwrap(), "@alice:member:example.org:8080");
    assert_eq!(lenient("@member.alice@example.org").unwrap(), "@alice:member:example.org");
    assert_eq!(lenient("@alice@Example.org").unwrap(), "@alice:example.org");
    assert_eq!(lenient("@a.b.c@[::1]:7").unwrap(), "@c:a:b:[::1]:7");
    assert_eq!(lenient("@alice:member:example.org:8080").unwrap(), "@alice:member:example.org:8080");
    assert_eq!(lenient("@bob@matrix.org:matrix:gw").unwrap(), "@bob@matrix.org:matrix:gw");
    assert_eq!(lenient("@bob@matrix.org:gw").unwrap(), "@bob@matrix.org:gw");
    assert_eq!(lenient("@alice@example.org:8080").unwrap(), "@alice:example.org:8080");
    assert_eq!(lenient("@a:8080").unwrap(), "@a:8080");
    for text in ["@", "@alice", "@a..b@gw", "@.@gw", "@a@", "alice@gw", "@a@b@c"] {
        assert!(lenient(text).is_err(), "{text}");
    }
}

#[test]
fn an_address_has_a_greatest_length_and_its_url_is_still_read() {
    let longest = |name: &str, count: usize| format!("@{}:gw:65535", name.repeat(count));
    let longest_ascii = longest("a", MAX_ADDRESS_BYTES - "@:gw:65535".len());
    assert_eq!(longest_ascii.len(), MAX_ADDRESS_BYTES);
    let parsed = address(&longest_ascii);
    assert_eq!(Address::from_url(&parsed.to_url(true)).unwrap(), parsed);
    let parsed = address(&longest("食", 679));
    assert_eq!(Address::from_url(&parsed.to_url(true)).unwrap(), parsed);
    assert_eq!(refused(&longest_ascii.replace('@', "@a")), AddressError::TooLong);
    let gw = Authority::new("gw", None).unwrap();
    assert_eq!(Address::new(&":".repeat(700), &[""; 0], &gw), Err(AddressError::TooLong));
    assert_eq!(Address::from_path(&gw, &"/a".repeat(40_000)), Err(AddressError::TooLong));
    assert!(Authority::new(&"a".repeat(300), None).is_err());
}

#[test]
fn an_authority_is_read_and_compared_by_its_canonical_text() {
    let authority: Authority = "GW.Example.org:7580".parse().unwrap();
    assert_eq!(authority.to_string(), "gw.example.org:7580");
    assert_eq!(authority, *address("@a:p:gw.example.org:7580").authority());
    assert_ne!(authority, Authority::new("gw.example.org", None).unwrap());
    assert_eq!(Authority::new("gw", None).unwrap().port_or_default(true), 443);
    assert_eq!(Authority::new("gw", None).unwrap().port_or_default(false), 80);
    assert!(Authority::new("gw", Some(443)).unwrap().is_tls_by_default());
    assert_eq!(Authority::new("gw", Some(0)), Err(AddressError::Port("0".into())));
    assert_eq!("[::1]".parse::<Authority>().unwrap().bare_host(), "::1");
    for text in ["", ":80", "gw:", "gw:0", "a:b:80", "::1", "u@gw", "gw/"] {
        assert!(text.parse::<Authority>().is_err(), "{text}");
    }
}

#[test]
fn an_address_is_a_string_in_json() {
    let parsed: Address = serde_json::from_str(r#""@a\u003aGW""#).unwrap();
    assert_eq!(serde_json::to_string(&parsed).unwrap(), r#""@a:gw""#);
    let error = serde_json::from_str::<Address>(r#""a:gw""#).unwrap_err();
    assert!(error.to_string().contains("starts with `@`"), "{error}");
    let authority: Authority = serde_json::from_str(r#""GW:1""#).unwrap();
    assert_eq!(serde_json::to_string(&authority).unwrap(), r#""gw:1""#);
}

/// Any segment that is allowed: not empty, no dot segment.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9#@!.%:/ \\\\\\[\\]?&=+~-]{1,12}", "\\PC{1,8}", any::<String>()]
        .prop_filter("a URL would resolve it away", |s| !matches!(s.as_str(), "" | "." | ".."))
        .prop_map(|s| s.chars().take(40).collect())
        .prop_filter("a URL would resolve it away", |s: &String| !matches!(s.as_str(), "" | "." | ".."))
}

fn authority() -> impl Strategy<Value = Authority> {
    let host = prop_oneof![
        "[a-zA-Z][a-z0-9-]{0,8}(\\.[a-z]{1,5}){0,3}",
        "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}",
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
        "[äöüßéñ食]{1,5}\\.[a-z]{2,3}",
    ];
    (host, proptest::option::of(1..=u16::MAX)).prop_filter_map("no host", |(h, port)| Authority::new(&h, port).ok())
}

fn any_address() -> impl Strategy<Value = Address> {
    (segment(), proptest::collection::vec(segment(), 0..4), authority())
        .prop_filter_map("not an address", |(name, path, authority)| Address::new(&name, &path, &authority).ok())
}

proptest! {
    #[test]
    fn address_to_text_and_url_and_back_is_the_identity(address in any_address(), tls: bool) {
        let text = address.to_string();
        prop_assert!(!text.chars().any(char::is_control));
        prop_assert_eq!(&text.parse::<Address>().unwrap(), &address);
        // (A host of digits is the one thing that the older spelling claims.)
        if address.authority().host().contains(|c: char| !c.is_ascii_digit()) {
            prop_assert_eq!(&Address::parse_lenient(&text).unwrap(), &address);
        }
        prop_assert_eq!(&Address::from_url(&address.to_url(tls)).unwrap(), &address);
        prop_assert_eq!(&Address::from_path(address.authority(), &address.to_path()).unwrap(), &address);
        prop_assert_eq!(&address.authority().to_string().parse::<Authority>().unwrap(), address.authority());
    }

    #[test]
    fn the_parts_of_an_address_are_those_it_was_made_of(
        name in segment(), path in proptest::collection::vec(segment(), 0..4), authority in authority()
    ) {
        if let Ok(address) = Address::new(&name, &path, &authority) {
            prop_assert_eq!(&*address.name(), &*name);
            prop_assert_eq!(address.path().collect::<Vec<_>>(), path);
            prop_assert_eq!(address.authority(), &authority);
        }
    }

    #[test]
    fn the_url_is_one_that_url_parsers_leave_alone(address in any_address()) {
        let url = address.to_url(false);
        prop_assert!(url.is_ascii());
        prop_assert!(!url.bytes().any(|b| b <= b' ' || b"\"<>\\^`{|}?#".contains(&b)), "{}", url);
    }

    #[test]
    fn any_text_is_read_or_refused_and_what_is_read_is_canonical(text in "\\PC{0,60}|@[a%.:@0-9\\[\\]]{0,30}") {
        for address in [text.parse::<Address>(), Address::parse_lenient(&text), Address::from_url(&text)].into_iter().flatten() {
            prop_assert_eq!(&address.as_str().parse::<Address>().unwrap(), &address);
            prop_assert_eq!(&Address::from_url(&address.to_url(false)).unwrap(), &address);
        }
    }
}

//! Addresses: the seed's examples, and address ⇄ URL as the identity.

use monster_protocol::Address;

fn address(text: &str) -> Address {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
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

//! The whole program between two IRC networks, with nobody of Monster's in between.

use monster_testkit::{Ergo, Gateway, IrcClient, irc_section};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

/// Two networks, `one` and `two`, with somebody on each.
struct Between {
    gateway: Gateway,
    bob: IrcClient,
    carol: IrcClient,
    servers: [Ergo; 2],
}

impl Between {
    async fn new(rust: &str, tea: &str) -> Self {
        let servers = [Ergo::start().await, Ergo::start().await];
        let sections = irc_section("one", &servers[0], "") + &irc_section("two", &servers[1], "");
        let gateway = Gateway::start(BINARY, &sections).await;
        let mut bob = IrcClient::connect(servers[0].address, "bob", IrcClient::ALL_CAPS).await;
        let mut carol = IrcClient::connect(servers[1].address, "carol", IrcClient::ALL_CAPS).await;
        bob.join(rust).await;
        carol.join(tea).await;
        // A bot comes when it is needed; here by a link of other channels.
        let others = [gateway.address("#lobby", "one"), gateway.address("#lobby", "two")];
        gateway.cli(&["link", "add", &others[0], &others[1]]).await;
        for (who, bot) in [(&mut bob, "one-bot"), (&mut carol, "two-bot")] {
            who.join("#lobby").await;
            who.sees_in("#lobby", bot).await;
        }
        Self { gateway, bob, carol, servers }
    }
}

#[tokio::test]
async fn people_of_two_networks_write_to_each_other_and_answer() {
    let Between { gateway, mut bob, mut carol, servers: _servers } = Between::new("#rust", "#tea").await;
    bob.say("one-bot", &format!("msg {} psst", gateway.address("carol", "two"))).await;
    carol.hears("bob", "carol", "psst").await;
    carol.say("bob", "what is it?").await;
    bob.hears("carol", "bob", "what is it?").await;

    bob.say("carol", "tea or coffee?").await;
    let asked = bob.hears("bob", "carol", "tea or coffee?").await;
    let heard = carol.hears("bob", "carol", "tea or coffee?").await;
    let id = heard.tag("msgid").expect("Ergo gives ids");
    carol.send(&format!("@+draft/reply={id} PRIVMSG bob :tea")).await;
    let answer = bob.hears("carol", "bob", "tea").await;
    assert_eq!(answer.tag("+draft/reply").or(answer.tag("+reply")), asked.tag("msgid"), "{answer:?}");
}

#[tokio::test]
async fn an_operator_links_a_channel_by_a_word_to_the_bot_and_takes_it_out_again() {
    let Between { gateway, mut bob, mut carol, servers } = Between::new("#rust", "#tea").await;
    let tea = gateway.address("#tea", "two");
    bob.say("one-bot", &format!("#rust link {tea}")).await;
    bob.hears("one-bot", "bob", "is linked with").await;
    carol.sees_in("#tea", "two-bot").await;
    bob.sees_in("#rust", "one-bot").await;
    bob.say("#rust", "hello over there").await;
    carol.hears("bob", "#tea", "hello over there").await;
    carol.say("#tea", "hello yourself").await;
    bob.hears("carol", "#rust", "hello yourself").await;

    // Who is not an operator of the channel has no say in it.
    let mut dave = IrcClient::connect(servers[0].address, "dave", IrcClient::ALL_CAPS).await;
    dave.say("one-bot", "#rust unlink").await;
    dave.hears("one-bot", "dave", "join #rust first").await;
    dave.join("#rust").await;
    dave.say("one-bot", "#rust unlink").await;
    dave.hears("one-bot", "dave", "Only those who keep").await;

    bob.say("one-bot", "#rust unlink").await;
    bob.hears("one-bot", "bob", "not linked any more").await;
}

#[tokio::test]
async fn a_closed_channel_is_not_to_be_had_from_elsewhere() {
    let Between { gateway, mut bob, mut carol, servers: _servers } = Between::new("#rust", "#tea").await;
    carol.send("MODE #tea +i").await;
    carol.expect("the mode to be set", |line| line.command == "MODE" && line.params.iter().any(|p| p == "+i")).await;
    bob.say("one-bot", &format!("#rust link {}", gateway.address("#tea", "two"))).await;
    bob.hears("one-bot", "bob", "not open to everybody").await;
}

#[tokio::test]
async fn who_has_no_calls_gets_a_link_to_a_page_that_calls() {
    let Between { gateway, mut bob, servers: _servers, .. } = Between::new("#rust", "#tea").await;
    bob.say("one-bot", &format!("call {} video", gateway.address("echo", "echo"))).await;
    bob.hears("echo", "bob", "/call/").await;
    bob.say("one-bot", &format!("call {}", gateway.address("carol", "two"))).await;
    bob.hears("carol", "bob", "/call/").await;
}

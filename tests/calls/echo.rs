//! The echo answers by itself and gives back what it gets.

use crate::gateway;
use crate::phone::Phone;
use monster_testkit::Browser;

#[tokio::test]
async fn the_echo_gives_back_sound_and_pictures() {
    let gateway = gateway().await;
    let browser = Browser::start().await;
    let alice = Phone::new(&browser, &gateway, "alice").await;
    let echo = gateway.address("echo", "echo");

    alice.call(&echo, false).await;
    alice.is("talking").await;
    alice.hears().await;
    alice.tell("addVideo()").await;
    alice.hears_and_sees().await;
    alice.tell("end()").await;
    alice.is_over().await;

    alice.call(&echo, true).await;
    alice.is("talking").await;
    alice.hears_and_sees().await;
    alice.tell("mute(true, true)").await;
    alice.tab.sound_stops().await;
    alice.tell("mute(false, false)").await;
    alice.hears_and_sees().await;
    alice.tell("end()").await;
    alice.is_over().await;
    browser.assert_quiet().await;
}

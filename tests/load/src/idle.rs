//! What an idle home socket costs in resident memory.

use crate::figures;
use futures_util::StreamExt as _;
use monster_testkit::Gateway;

/// Opens the sockets, twenty to an account, and compares resident memory before and after.
pub(crate) async fn run(gateway: &str, sockets: usize) {
    let sections = "[limits]\nenabled = false\n\n[log]\nfilter = \"warn\"\n";
    let gateway = Gateway::start_quiet(gateway, sections).await;
    let per_account = 20;
    let mut tokens = Vec::new();
    for n in 0..sockets.div_ceil(per_account) {
        tokens.push(gateway.account(&format!("a{n}")).await);
    }
    let before = figures::resident_kib(gateway.id());
    let mut open = Vec::with_capacity(sockets);
    for n in 0..sockets {
        let account = n / per_account;
        let url = format!("ws://{}/a{account}?token={}&ext=1", gateway.listen, tokens[account]);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        // Answers the gateway's pings; nothing else happens on it.
        open.push(tokio::spawn(async move { while socket.next().await.is_some() {} }));
    }
    let after = figures::resident_kib(gateway.id());
    println!(
        "{sockets} idle home sockets: {} MiB resident before, {} MiB after: {:.1} KiB each",
        before / 1024,
        after / 1024,
        (after - before) as f64 / sockets as f64
    );
    open.iter().for_each(tokio::task::JoinHandle::abort);
}

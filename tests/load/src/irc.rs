//! Monster to IRC through Ergo: every sender has a puppet and a channel of its own; somebody on IRC
//! hears all of it, and so do as many more as a channel has members.

use crate::figures;
use monster_testkit::{Ergo, Gateway, IrcClient, MonsterClient};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Sends for `seconds`, each sender waiting for each answer, then waits until all was heard by one of the
/// `listeners`, all of whom are in all channels.
pub(crate) async fn run(gateway: &str, senders: usize, listeners: usize, seconds: u64) {
    let ergo = Ergo::start().await;
    let sections = format!(
        "[limits]\nenabled = false\n\n[log]\nfilter = \"warn\"\n\n[bridges.ergo]\nkind = \"irc\"\nserver = \"{}\"\ntls = false\n\
         flood = {{ burst = 1000000, per_second = 1000000.0 }}\nconnects_per_minute = 100000\n",
        ergo.address
    );
    let gateway = Gateway::start_quiet(gateway, &sections).await;
    let heard = Arc::new(AtomicU64::new(0));
    let mut observer = IrcClient::connect(ergo.address, "observer", &["server-time"]).await;
    let mut sockets = Vec::new();
    for n in 0..senders {
        observer.join(&format!("#load{n}")).await;
        let token = gateway.account(&format!("s{n}")).await;
        let mut socket = gateway.home(&format!("s{n}"), &token).await;
        let channel = gateway.address(&format!("#load{n}"), "ergo");
        let joined = socket.request(json!({"code": "1001", "to": channel})).await;
        assert_eq!(joined["type"], "1", "{joined}");
        sockets.push((socket, channel));
    }
    let mut listening = vec![tokio::spawn(listen(observer, Arc::clone(&heard)))];
    for n in 1..listeners {
        let mut member = IrcClient::connect(ergo.address, &format!("member{n}"), &[]).await;
        for channel in 0..senders {
            member.join(&format!("#load{channel}")).await;
        }
        listening.push(tokio::spawn(listen(member, Arc::default())));
    }
    let cpu = (figures::cpu_time(gateway.id()), figures::cpu_time(ergo.id()));
    let begin = Instant::now();
    let until = begin + Duration::from_secs(seconds);
    let tasks: Vec<_> =
        sockets.into_iter().map(|(socket, channel)| tokio::spawn(send(socket, channel, until))).collect();
    let mut sent = 0;
    for task in tasks {
        sent += task.await.unwrap();
    }
    while heard.load(Ordering::Relaxed) < sent {
        assert!(
            begin.elapsed() < Duration::from_secs(seconds + 120),
            "{} of {sent} heard",
            heard.load(Ordering::Relaxed)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let wall = begin.elapsed();
    let (ours, theirs) = (figures::cpu_since(gateway.id(), cpu.0), figures::cpu_since(ergo.id(), cpu.1));
    println!(
        "monster to irc, {senders} senders, {listeners} listeners: {:.0} messages/s heard on irc; CPU gateway {} ({:.0} µs a message), ergo {} ({:.0} µs)",
        sent as f64 / wall.as_secs_f64(),
        figures::share(ours, wall),
        ours.as_secs_f64() * 1e6 / sent as f64,
        figures::share(theirs, wall),
        theirs.as_secs_f64() * 1e6 / sent as f64
    );
    listening.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn listen(mut observer: IrcClient, heard: Arc<AtomicU64>) {
    while let Some(line) = observer.next().await {
        if line.command == "PRIVMSG" {
            heard.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn send(mut socket: MonsterClient, channel: String, until: Instant) -> u64 {
    let mut sent = 0;
    while Instant::now() < until {
        socket.say(&channel, &format!("line {sent} of a load test, about as long as people's are")).await;
        sent += 1;
    }
    sent
}

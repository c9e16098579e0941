//! What reading, checking and writing a 2001 frame costs, beside the same with nothing but derived
//! `serde` for a struct of the same fields. Decoding and encoding the base64 of `text` is counted on
//! both sides. The goal is a ratio of at most 1.3.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use monster_protocol::{Address, Frame};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The fields of a 2001 frame, as they come, unchecked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bare<'a> {
    #[serde(borrow)]
    message_id: Cow<'a, str>,
    #[serde(borrow)]
    code: Cow<'a, str>,
    #[serde(borrow, serialize_with = "encode", deserialize_with = "decode")]
    text: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Address>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    nickname: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<u64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    replaces: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    reaction: Option<Cow<'a, str>>,
}

/// A message of the length that people write.
const WORDS: &str = "Shall we meet at the usual place at eight, or is nine better for you? I can bring the maps.";

fn frames() -> [(&'static str, String); 2] {
    let text = STANDARD.encode(WORDS);
    let seed = format!(r#"{{"messageId":"0190b3c2-7a41-7c55-9f0e-2d1a5b9c8e77","code":"2001","text":"{text}"}}"#);
    let ext = format!(
        r#"{{"messageId":"mg-01j2xw8k5m3n4p5q6r7s8t9v0w","code":"2001","text":"{text}","from":"@bob:libera:gw.example.org","to":"@#rust:libera:gw.example.org","nickname":"bob","time":1767225600000,"replyTo":"0190b3c2-7a41-7c55-9f0e-2d1a5b9c8e77"}}"#
    );
    [("seed", seed), ("ext", ext)]
}

fn codec(c: &mut Criterion) {
    for (kind, json) in frames() {
        let mut group = c.benchmark_group(format!("2001-{kind}"));
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function("parse/ours", |b| b.iter(|| parse(black_box(&json))));
        group.bench_function("parse/bare", |b| b.iter(|| parse_bare(black_box(&json))));
        let frame = parse(&json);
        group.bench_function("write/ours", |b| b.iter(|| black_box(&frame).to_json()));
        let bare = parse_bare(&json);
        group.bench_function("write/bare", |b| b.iter(|| write_bare(black_box(&bare))));
        group.finish();
        assert_eq!(write_bare(&bare), frame.to_json());
    }
}

/// The ratios, from the fastest of many short rounds taken in turns: what else the machine is doing
/// disturbs both sides alike, and the fastest rounds not at all.
#[expect(clippy::print_stdout, reason = "a benchmark prints its result")]
fn ratios(_: &mut Criterion) {
    for (kind, json) in frames() {
        let (frame, bare) = (parse(&json), parse_bare(&json));
        let [mut ours, mut theirs] = [[Duration::MAX; 2]; 2];
        for _ in 0..2000 {
            fastest(&mut ours[0], || parse(black_box(&json)));
            fastest(&mut theirs[0], || parse_bare(black_box(&json)));
            fastest(&mut ours[1], || black_box(&frame).to_json());
            fastest(&mut theirs[1], || write_bare(black_box(&bare)));
        }
        let ratio = |ours: Duration, theirs: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "2001-{kind} ours/bare: parse {:.2}, write {:.2}, both {:.2}",
            ratio(ours[0], theirs[0]),
            ratio(ours[1], theirs[1]),
            ratio(ours[0] + ours[1], theirs[0] + theirs[1]),
        );
    }
}

fn fastest<T>(record: &mut Duration, mut work: impl FnMut() -> T) {
    let begin = Instant::now();
    for _ in 0..100 {
        black_box(work());
    }
    *record = begin.elapsed().min(*record);
}

fn parse(json: &str) -> Frame<'_> {
    Frame::parse(json).unwrap_or_else(|error| panic!("{error}"))
}

fn parse_bare(json: &str) -> Bare<'_> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}"))
}

fn write_bare(bare: &Bare<'_>) -> String {
    serde_json::to_string(bare).unwrap_or_else(|error| panic!("{error}"))
}

fn encode<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(text))
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    let bytes = STANDARD.decode(<&str>::deserialize(deserializer)?).map_err(D::Error::custom)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(D::Error::custom)
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(60);
    targets = codec, ratios
}
criterion_main!(benches);

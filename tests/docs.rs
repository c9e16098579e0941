//! What the documents promise about the program, where a program can check it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::path::Path;

fn sources(dir: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The words in `text` that start with `prefix`, without it.
fn words_after<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let word = |rest: &'a str| {
        let end = rest.find(|character: char| !character.is_ascii_lowercase() && character != '_');
        &rest[..end.unwrap_or(rest.len())]
    };
    text.split(prefix).skip(1).map(word).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_figure_is_in_the_table_of_the_operators_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    sources(&root.join("src"), &mut texts);
    let kept: BTreeSet<_> = texts.iter().flat_map(|text| words_after(text, "\"monster_gateway_")).collect();

    let operations = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let table = operations.split("\n## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = table.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let described: BTreeSet<_> = names.flat_map(|names| words_after(names, "`")).collect();
    assert_eq!(kept, described);
}

#[test]
fn every_test_that_the_table_of_call_mistakes_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for dir in ["calls", "media", "tests"] {
        sources(&root.join(dir), &mut texts);
    }
    let there: BTreeSet<_> = texts.iter().flat_map(|text| words_after(text, "fn ")).collect();
    let testing = std::fs::read_to_string(root.join("docs/testing.md")).unwrap();
    let table = testing.split("\n### What call gateways get wrong\n").nth(1).unwrap().split("\n## ").next().unwrap();
    // A test's name is a sentence; the single words in backticks are crates and files.
    let named = words_after(table, "`").into_iter().filter(|name| name.contains('_'));
    let missing: Vec<_> = named.filter(|name| !there.contains(name)).collect();
    assert!(missing.is_empty(), "docs/testing.md names tests that are not there: {missing:?}");
}

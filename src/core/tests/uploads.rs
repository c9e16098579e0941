//! Files that accounts send.

use super::world::*;
use crate::core::{Act, FileSettings, Settings, Uploaded};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use monster_bridge_api::{Action, MediaError, Support};
use monster_protocol::Address;
use std::io;

async fn world(directory: &tempfile::TempDir, change: impl FnOnce(&mut FileSettings)) -> World {
    let mut files = FileSettings { upload_dir: Some(directory.path().join("uploads")), ..FileSettings::default() };
    change(&mut files);
    World::with(Settings { files, ..impatient() }, |_| {}).await
}

async fn send(world: &World, who: &Address, bytes: usize) -> Result<Uploaded, MediaError> {
    let pieces: Vec<io::Result<Bytes>> =
        vec![b'x'; bytes].chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    world.core.take_file(who, ("../a cat.png", "image/png"), stream::iter(pieces)).await
}

/// What the link leads to.
async fn follow(world: &World, link: &str) -> Result<(Option<String>, usize), MediaError> {
    let media = world.core.fetch_file(link, 1 << 20).await?;
    let size = media.body.fold(0, async |size, piece| size + piece.map_or(0, |piece| piece.len())).await;
    Ok((media.media_type, size))
}

#[tokio::test]
async fn a_file_is_kept_and_its_link_alone_is_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = world(&directory, |_| {}).await;
    world.net.capabilities.lock().attachment = Support::Full;
    let alice = world.person("alice").await;
    let file = send(&world, &alice, 100).await.unwrap();
    assert_eq!((&*file.name, &*file.media_type, file.size), ("_a cat.png", "image/png", 100));
    assert_eq!(follow(&world, &file.url).await.unwrap(), (Some("image/png".to_owned()), 100));

    let (one, two) = (ours("#one:net"), ours("#two:far"));
    world.link(&[&one, &two]).await;
    world.say(&home(&alice), &one, "1", &format!(" {} ", file.url)).await;
    let Action::Send { content, .. } = world.reaches_network().await.action else { panic!("a message") };
    assert!(content.text.is_blank(), "{content:?}");
    assert_eq!((&content.attachments[0].url, &content.attachments[0].name), (&file.url, &file.name));
    let Action::Send { content, .. } = world.reaches_far().await.action else { panic!("a message") };
    assert_eq!(content.text.to_plain(), format!("_a cat.png: {}", file.url));
    // Beside words it is a link like any other.
    world.say(&home(&alice), &one, "2", &format!("look: {}", file.url)).await;
    let Action::Send { content, .. } = world.reaches_network().await.action else { panic!("a message") };
    assert_eq!((content.attachments.len(), content.text.to_plain()), (0, format!("look: {}", file.url)));
    world.reaches_far().await;
    // And it can be told to somebody of Monster's.
    let bob = world.person("bob").await;
    world.say(&home(&alice), &bob, "3", &file.url).await;
    assert!(matches!(&world.arrives().await.2.act, Act::Say { text, .. } if text.contains(&file.url)));
}

#[tokio::test]
async fn there_is_so_much_room_for_an_account_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(&directory, |files| (files.upload_bytes, files.upload_quota) = (60, 100)).await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    assert_eq!(send(&world, &alice, 61).await, Err(MediaError::TooLarge { limit: 60 }));
    send(&world, &alice, 60).await.unwrap();
    assert_eq!(send(&world, &alice, 41).await, Err(MediaError::TooLarge { limit: 40 }));
    send(&world, &alice, 40).await.unwrap();
    assert!(matches!(send(&world, &alice, 1).await, Err(MediaError::Refused(_))));
    send(&world, &bob, 60).await.unwrap();
    // What was not taken has left nothing behind.
    let count = |dir: std::fs::DirEntry| std::fs::read_dir(dir.path()).unwrap().count();
    let mut files: Vec<usize> =
        std::fs::read_dir(directory.path().join("uploads")).unwrap().map(|dir| count(dir.unwrap())).collect();
    files.sort_unstable();
    assert_eq!(files, [1, 2]);
}

#[tokio::test]
async fn a_file_that_ends_early_is_not_kept_and_who_takes_none_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let world = world(&directory, |_| {}).await;
    let alice = world.person("alice").await;
    let pieces = vec![Ok(Bytes::from_static(b"half")), Err(io::Error::other("gone"))];
    let broken = world.core.take_file(&alice, ("a", "image/png"), stream::iter(pieces)).await;
    assert!(matches!(broken, Err(MediaError::Unavailable(_))), "{broken:?}");
    send(&world, &alice, 5).await.unwrap();
    let elsewhere = World::new().await;
    assert!(matches!(send(&elsewhere, &alice, 5).await, Err(MediaError::Refused(_))));
}

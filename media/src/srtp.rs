//! SRTP with AES-GCM (RFC 3711, RFC 7714), and the plain part of RTP packets, for what is forwarded
//! past the engine (`steady`).
//!
//! Keys come from `engine/keys`. No state of streams lives here: whoever opens or seals says which
//! packet of its source it is, all 48 bits of it.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, Algorithm, EncryptingKey, UnboundCipherKey};

/// Bytes that sealing adds.
pub(crate) const TAG: usize = 16;

/// Bytes of a master or session salt (RFC 7714 §12).
const SALT: usize = 12;

/// What is derived (RFC 3711 §4.3.1).
const KEY: u8 = 0;
const SESSION_SALT: u8 = 2;

/// Bytes of an RTP header without extensions (RFC 3550 §5.1).
const FIXED: usize = 12;

/// The mark of one-byte header extensions (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;

/// The keys of one transport.
#[derive(Debug)]
pub(crate) struct Keys {
    /// For what the far side sends.
    pub(crate) theirs: Key,
    /// For what we send.
    pub(crate) ours: Key,
}

/// One direction's session key and salt.
pub(crate) struct Key {
    key: LessSafeKey,
    salt: [u8; SALT],
}

impl Keys {
    /// Derives them from what DTLS exported (RFC 5764 §4.2): both master keys, then both salts, the
    /// client's first. `None` where the lengths are not those of AES-GCM.
    pub(crate) fn derive(exported: &[u8], client: bool) -> Option<Keys> {
        let length = exported.len().checked_sub(2 * SALT)? / 2;
        let (keys, salts) = exported.split_at_checked(2 * length)?;
        let (first, second) =
            (Key::derive(&keys[..length], &salts[..SALT])?, Key::derive(&keys[length..], &salts[SALT..])?);
        let (ours, theirs) = if client { (first, second) } else { (second, first) };
        Some(Keys { theirs, ours })
    }
}

impl Key {
    /// The session key and salt of packets of media (RFC 3711 §4.3).
    fn derive(master: &[u8], salt: &[u8]) -> Option<Key> {
        let (cipher, aead) = match master.len() {
            16 => (&AES_128, &AES_128_GCM),
            32 => (&AES_256, &AES_256_GCM),
            _ => return None,
        };
        let block = |label, counter| block(cipher, master, salt, label, counter);
        let key = [block(KEY, 0)?, block(KEY, 1)?].concat();
        let salt = block(SESSION_SALT, 0)?.first_chunk().copied()?;
        Some(Key { key: LessSafeKey::new(UnboundKey::new(aead, &key[..master.len()]).ok()?), salt })
    }

    /// RFC 7714 §8.1.
    fn nonce(&self, source: u32, index: u64) -> Nonce {
        let mut nonce = self.salt;
        let number = index.to_be_bytes();
        for (byte, with) in nonce[2..].iter_mut().zip(source.to_be_bytes().iter().chain(&number[2..])) {
            *byte ^= with;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Opens a packet into `plain`, which is as long as its payload; false if it is not what its
    /// source sent under this index.
    pub(crate) fn open(&self, packet: &[u8], header: &Header<'_>, index: u64, plain: &mut [u8]) -> bool {
        let Some((aad, sealed)) = packet.split_at_checked(header.length) else { return false };
        let Some((sealed, tag)) = sealed.split_at_checked(plain.len()) else { return false };
        let nonce = self.nonce(header.source, index);
        self.key.open_separate_gather(nonce, Aad::from(aad), sealed, tag, plain).is_ok()
    }

    /// Seals a packet whose header has this length. No index may be used twice for one source.
    pub(crate) fn seal(&self, packet: &mut Vec<u8>, header: usize, source: u32, index: u64) -> bool {
        let (aad, body) = packet.split_at_mut(header);
        let sealed = self.key.seal_in_place_separate_tag(self.nonce(source, index), Aad::from(&*aad), body);
        sealed.is_ok_and(|tag| {
            packet.extend_from_slice(tag.as_ref());
            true
        })
    }
}

/// A block of the key derivation function (RFC 3711 §4.3.1 and §4.3.3).
fn block(cipher: &'static Algorithm, master: &[u8], salt: &[u8], label: u8, counter: u8) -> Option<[u8; 16]> {
    let mut block = [0; 16];
    block[..salt.len()].copy_from_slice(salt);
    block[7] ^= label;
    block[15] = counter;
    EncryptingKey::ecb(UnboundCipherKey::new(cipher, master).ok()?).ok()?.encrypt(&mut block).ok()?;
    Some(block)
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// The header of a packet, as far as a forwarder needs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) number: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) time: u32,
    pub(crate) source: u32,
    extensions: &'a [u8],
    length: usize,
}

impl<'a> Header<'a> {
    /// Reads a packet of the usual kind: no padding, no contributing sources, extensions of one
    /// byte. `None` for all others.
    pub(crate) fn read(packet: &'a [u8]) -> Option<Header<'a>> {
        let fixed: &[u8; FIXED] = packet.first_chunk()?;
        let (extensions, length) = match fixed[0] {
            0x80 => (&[][..], FIXED),
            0x90 => {
                let [mark @ .., high, low] = *packet[FIXED..].first_chunk::<4>()?;
                let length = usize::from(u16::from_be_bytes([high, low])) * 4;
                let start = FIXED + 4;
                let extensions = packet.get(start..start + length)?;
                (u16::from_be_bytes(mark) == ONE_BYTE).then_some((extensions, start + length))?
            }
            _ => return None,
        };
        Some(Header {
            number: fixed[1] & 0x7f,
            marker: fixed[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            time: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            source: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            extensions,
            length,
        })
    }

    /// How long the payload of this packet is, once it is opened.
    pub(crate) fn payload(&self, packet: &[u8]) -> Option<usize> {
        packet.len().checked_sub(self.length + TAG)
    }

    /// An extension of one byte, by its number.
    pub(crate) fn extension(&self, number: u8) -> Option<u8> {
        let mut rest = self.extensions;
        while let Some((head, after)) = rest.split_first() {
            let length = match head >> 4 {
                0 => 0,
                15 => return None,
                _ => usize::from(head & 0x0f) + 1,
            };
            if head >> 4 == number && length == 1 {
                return after.first().copied();
            }
            rest = after.get(length..)?;
        }
        None
    }
}

/// The header that a packet gets; its extensions are those of one byte, not padded.
pub(crate) struct NewHeader<'a> {
    pub(crate) number: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) time: u32,
    pub(crate) source: u32,
    pub(crate) mid: Option<(u8, &'a str)>,
    pub(crate) level: Option<(u8, u8)>,
}

impl NewHeader<'_> {
    /// How long it will be.
    pub(crate) fn length(&self) -> usize {
        let mid = self.mid.map_or(0, |(_, mid)| mid.len() + 1);
        let level = if self.level.is_some() { 2 } else { 0 };
        match mid + level {
            0 => FIXED,
            extensions => FIXED + 4 + extensions.next_multiple_of(4),
        }
    }

    /// Writes it to the start of a packet of zeros.
    pub(crate) fn write(&self, packet: &mut [u8]) {
        let length = self.length();
        packet[0] = if length > FIXED { 0x90 } else { 0x80 };
        packet[1] = self.number | if self.marker { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.time.to_be_bytes());
        packet[8..12].copy_from_slice(&self.source.to_be_bytes());
        if length == FIXED {
            return;
        }
        let words = u16::try_from((length - FIXED - 4) / 4).unwrap_or(0);
        packet[12..14].copy_from_slice(&ONE_BYTE.to_be_bytes());
        packet[14..16].copy_from_slice(&words.to_be_bytes());
        let mut at = FIXED + 4;
        let mut put = |number: u8, value: &[u8]| {
            packet[at] = (number << 4) | u8::try_from(value.len() - 1).unwrap_or(0);
            packet[at + 1..=at + value.len()].copy_from_slice(value);
            at += value.len() + 1;
        };
        if let Some((number, level)) = self.level {
            put(number, &[level]);
        }
        if let Some((number, mid)) = self.mid {
            put(number, mid.as_bytes());
        }
    }
}

/// Which packets of a source have come (RFC 3711 §3.3): what is sealed again must not be opened twice.
#[derive(Debug)]
pub(crate) struct Seen {
    highest: u64,
    /// The highest and those before it, lowest bit first.
    window: u64,
}

impl Seen {
    /// From here on; what came before it counts as seen.
    pub(crate) fn from(index: u64) -> Seen {
        Seen { highest: index, window: u64::MAX }
    }

    /// The index of a packet, by the sequence number in it (RFC 3711 §3.3.1).
    pub(crate) fn index(&self, sequence: u16) -> Option<u64> {
        let [.., high, low] = self.highest.to_be_bytes();
        let ahead = sequence.wrapping_sub(u16::from_be_bytes([high, low])).cast_signed();
        self.highest.checked_add_signed(ahead.into())
    }

    /// Whether a packet has come, or is too old to tell.
    pub(crate) fn contains(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            None => false,
            Some(before) => before >= 64 || (self.window >> before) & 1 == 1,
        }
    }

    /// It has come, and was what its source sent.
    pub(crate) fn insert(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.highest) {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.window = self.window.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = index;
        } else if self.highest - index < 64 {
            self.window |= 1 << (self.highest - index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: NewHeader<'_> = NewHeader {
        number: 111,
        marker: true,
        sequence: 7,
        time: 960,
        source: 0x0102_0304,
        mid: Some((4, "audio")),
        level: Some((1, 0x8a)),
    };

    fn sealed(keys: &Keys, index: u64) -> Vec<u8> {
        let mut packet = vec![0; NEW.length()];
        NEW.write(&mut packet);
        packet.extend_from_slice(b"a sound");
        assert!(keys.ours.seal(&mut packet, NEW.length(), NEW.source, index));
        packet
    }

    #[test]
    fn what_one_end_seals_the_other_opens_and_nobody_else() {
        for length in [16, 32] {
            let exported: Vec<u8> = (0..).take(2 * (length + SALT)).collect();
            let [client, server] = [true, false].map(|client| Keys::derive(&exported, client).expect("keys"));
            let packet = sealed(&client, (3 << 16) + 7);
            let header = Header::read(&packet).expect("a header");
            let mut plain = vec![0; header.payload(&packet).expect("a payload")];
            assert!(server.theirs.open(&packet, &header, (3 << 16) + 7, &mut plain));
            assert_eq!(plain, b"a sound");
            assert!(!server.theirs.open(&packet, &header, 7, &mut plain), "another index");
            assert!(!client.theirs.open(&packet, &header, (3 << 16) + 7, &mut plain), "another direction");
            let mut changed = packet.clone();
            changed[1] ^= 1;
            let header = Header::read(&changed).expect("a header");
            assert!(!server.theirs.open(&changed, &header, (3 << 16) + 7, &mut plain), "another payload type");
        }
        assert!(Keys::derive(&[0; 60], true).is_none(), "not of AES-GCM");
        assert!(Keys::derive(&[0; 3], true).is_none());
    }

    #[test]
    fn session_keys_are_those_of_the_standard() {
        // RFC 3711 B.3: the salt is two bytes longer than ours.
        let master = 0xe1f9_7a0d_3e01_8be0_d64f_a32c_06de_4139_u128.to_be_bytes();
        let salt = 0x0ec6_75ad_498a_feeb_b696_0b3a_abe6_u128.to_be_bytes();
        let derived = |label| block(&AES_128, &master, &salt[2..], label, 0).map(u128::from_be_bytes);
        assert_eq!(derived(KEY), Some(0xc61e_7a93_744f_39ee_1073_4afe_3ff7_a087));
        assert_eq!(derived(SESSION_SALT), Some(0x30cb_bc08_863d_8c85_d49d_b34a_9ae1_7ac6));
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut packet = vec![0; NEW.length()];
        NEW.write(&mut packet);
        let header = Header::read(&packet).expect("a header");
        assert_eq!((header.number, header.marker, header.sequence), (111, true, 7));
        assert_eq!((header.time, header.source), (960, 0x0102_0304));
        assert_eq!(header.extension(1), Some(0x8a));
        assert_eq!(header.extension(4), None, "it is longer than a byte");
        assert_eq!(header.payload(&packet), None, "it has no tag");
        let bare = NewHeader { mid: None, level: None, ..NEW };
        let mut packet = vec![0; bare.length()];
        bare.write(&mut packet);
        assert_eq!(packet.len(), FIXED);
        assert_eq!(Header::read(&packet).and_then(|header| header.extension(1)), None);
    }

    #[test]
    fn unusual_packets_are_not_read() {
        for first in [0xa0, 0x81, 0x40, 0xb0] {
            let packet = [[first, 111].as_slice(), &[0; 40]].concat();
            assert_eq!(Header::read(&packet), None, "{first:x}");
        }
        let two_bytes = [[0x90, 111].as_slice(), &[0; 10], &[0x10, 0x00, 0, 1], &[0; 30]].concat();
        assert_eq!(Header::read(&two_bytes), None);
        let too_long = [[0x90, 111].as_slice(), &[0; 10], &[0xbe, 0xde, 0xff, 0xff], &[0; 30]].concat();
        assert_eq!(Header::read(&too_long), None);
        assert_eq!(Header::read(&[0x90; 14]), None);
    }

    #[test]
    fn a_packet_is_seen_once_and_its_index_goes_on_over_the_wrap() {
        let mut seen = Seen::from(65_534);
        assert!(seen.contains(65_534) && seen.contains(65_500));
        let index = seen.index(2).expect("an index");
        assert_eq!(index, 65_538);
        assert!(!seen.contains(index));
        seen.insert(index);
        assert!(seen.contains(index) && !seen.contains(65_537));
        let late = seen.index(65_535).expect("an index");
        assert_eq!(late, 65_535);
        seen.insert(late);
        assert!(seen.contains(65_535) && !seen.contains(65_536));
        seen.insert(70_000);
        assert!(seen.contains(65_538), "too old to tell");
        assert!(!seen.contains(69_999));
        assert_eq!(Seen::from(1).index(0xffff), None, "before the first");
    }
}

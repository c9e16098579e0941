//! The first look at a datagram: is it a STUN request, and to whom (RFC 8489 §5, §14.3)? Nothing is
//! believed of it here: the engine checks its integrity. `worker` and `tcp` call in.

/// The header of a STUN message, in bytes.
const HEADER: usize = 20;

/// What every STUN message has at its fifth byte.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// USERNAME.
const USERNAME: u16 = 0x0006;

/// The longest user name (RFC 8489 §14.3), in bytes.
const MAX_NAME: usize = 513;

/// Whether a datagram is a STUN message (RFC 7983 §7).
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] < 4 && datagram[4..8] == COOKIE
}

/// The part before the colon of a STUN message's user name: the ICE user name of whom it is for
/// (RFC 8445 §7.2.2). `None` for answers, which have none, and for anything else.
pub(crate) fn addressed_to(datagram: &[u8]) -> Option<&str> {
    if !is_stun(datagram) {
        return None;
    }
    let mut rest = &datagram[HEADER..];
    while let [kind_high, kind_low, length_high, length_low, after @ ..] = rest {
        let kind = u16::from_be_bytes([*kind_high, *kind_low]);
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        if kind == USERNAME {
            let name = std::str::from_utf8(after.get(..length).filter(|name| name.len() <= MAX_NAME)?).ok()?;
            return name.split_once(':').map(|(ours, _)| ours);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(COOKIE);
        bytes.extend([7; 12]);
        for (kind, value) in attributes {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn a_request_names_whom_it_is_for_wherever_the_name_stands() {
        assert_eq!(addressed_to(&message(&[(USERNAME, b"ours:theirs")])), Some("ours"));
        assert_eq!(addressed_to(&message(&[(0x24, &[1, 2, 3]), (USERNAME, b"a:b")])), Some("a"));
        assert_eq!(addressed_to(&message(&[(0x24, &[1, 2, 3, 4])])), None);
    }

    #[test]
    fn what_is_cut_short_or_not_stun_names_nobody() {
        let whole = message(&[(USERNAME, b"ours:theirs")]);
        for length in 0..whole.len() - 1 {
            assert_eq!(addressed_to(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(addressed_to(&message(&[(USERNAME, b"no colon")])), None);
        assert_eq!(addressed_to(&message(&[(USERNAME, b"\xff:\xff")])), None);
        assert_eq!(addressed_to(&[0x80; 40]), None);
    }
}

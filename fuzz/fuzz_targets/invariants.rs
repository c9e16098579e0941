//! What the fuzz targets check for any input; shared with the ordinary tests of `protocol`, which
//! replay the seeds.

use monster_protocol::{Address, Frame};

/// A text is refused in few words, or is a frame that can be written and read again.
pub(crate) fn frame(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Frame::parse(text) {
        Ok(frame) => {
            let written = frame.to_json();
            let again = Frame::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            // (A bare session description is written as the offer that it is; from then on it stays.)
            assert_eq!(again.to_json(), written);
            assert_eq!(again.message_id(), frame.message_id());
        }
        Err(error) => {
            assert!(error.to_string().len() < 1000, "{error}");
            if let Some(answer) = error.to_response() {
                let written = answer.to_json();
                assert!(matches!(Frame::parse(&written), Ok(Frame::Response(_))), "{written}");
            }
        }
    }
}

/// A text is refused, or is an address whose spelling and URL lead back to it.
pub(crate) fn address(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for address in [text.parse(), Address::parse_lenient(text), Address::from_url(text)].into_iter().flatten() {
        assert_eq!(address.as_str().parse().as_ref(), Ok(&address));
        assert_eq!(Address::from_url(&address.to_url(true)).as_ref(), Ok(&address));
        assert_eq!(Address::from_path(address.authority(), &address.to_path()).as_ref(), Ok(&address));
        let path: Vec<_> = address.path().collect();
        assert_eq!(Address::new(&address.name(), &path, address.authority()).as_ref(), Ok(&address));
    }
}

//! Places on earth (`m.location`), as words and a link.

use monster_bridge_api::{Block, BlockKind, Span, SpanStyle, Text};

/// What a location says: its description, and a link to a map where its `geo:` URI can be read
/// (RFC 5870).
pub(super) fn to_text(body: &str, geo_uri: &str) -> Text {
    let words = if body.trim().is_empty() { "a place" } else { body };
    let mut spans = vec![Span::plain(format!("📍 {words}"))];
    if let Some((latitude, longitude)) = coordinates(geo_uri) {
        let link = format!("https://www.openstreetmap.org/?mlat={latitude}&mlon={longitude}");
        spans.push(Span::plain(" "));
        let style = SpanStyle { link: Some(link), ..SpanStyle::default() };
        spans.push(Span { text: format!("{latitude}, {longitude}"), style });
    }
    Text { blocks: vec![Block { quote: 0, kind: BlockKind::Paragraph(spans) }] }
}

fn coordinates(geo_uri: &str) -> Option<(f64, f64)> {
    let rest = geo_uri.strip_prefix("geo:")?;
    let mut parts = rest.split(';').next()?.split(',').map(|part| part.trim().parse::<f64>().ok());
    let (latitude, longitude) = (parts.next()??, parts.next()??);
    let fits = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    fits.then_some((latitude, longitude))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_link_to_a_map() {
        let text = to_text("Home", "geo:51.5008,-0.1247;u=35");
        assert!(
            text.to_plain().starts_with("📍 Home 51.5008, -0.1247 (https://www.openstreetmap.org/?mlat=51.5008&mlon=")
        );
    }

    #[test]
    fn a_place_that_is_nowhere_is_words_only() {
        for uri in ["geo:91,0", "geo:x,y", "", "geo:NaN,1", "https://evil.example/"] {
            assert_eq!(to_text("Home", uri).to_plain(), "📍 Home", "{uri}");
        }
    }
}

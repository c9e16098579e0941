//! Files of the network that the gateway has links to: pictures on cards.

use crate::instance::Instance;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use monster_bridge_api::{Media, MediaError, RemoteId};

impl Instance {
    /// Opens a file that was named in a `MediaFile`.
    pub(crate) async fn open_media(&self, reference: &str) -> Result<Media, MediaError> {
        let gone = || MediaError::Gone("there is no such picture".to_owned());
        let id = reference.strip_prefix("card:").ok_or_else(gone)?;
        let session =
            self.session().ok_or_else(|| MediaError::Unavailable("the XMPP server is not connected".to_owned()))?;
        let (media_type, bytes) = self.card_picture(&session, &RemoteId::new(id)).await.ok_or_else(gone)?;
        let size = u64::try_from(bytes.len()).ok();
        let body = stream::iter([Ok(Bytes::from(bytes))]).boxed();
        Ok(Media { media_type: Some(media_type), size, body })
    }
}

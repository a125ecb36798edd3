//! Attachments: what goes with a query or an answer and is no JSON, or too much of it.
//!
//! Owns what a message says of one. Small ones travel in the message; of a large one the message has only the
//! checksums, and its pieces stand in a store of their own, under the id of the record that they belong to. Nothing here
//! fetches anything.

use base64::{Engine, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Checksum, Extra, QueryId};

/// How many bytes all attachments of a message may have together that travel in it: 256 KiB. A `result` with
/// a longer text goes by reference, too.
pub const MAX_INLINE: usize = 256 << 10;

/// How large a piece may be: 512 KiB, or half of what the server takes in one message if that is less.
pub const MAX_PIECE: usize = 512 << 10;

/// What goes with a message: in it (`data`), or by reference (`pieces`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// Its name: a file's, without any folder, and another one than that of the others of its message.
    #[schemars(length(min = 1, max = 255), pattern(r"^\.{0,2}[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$"))]
    pub name: String,
    /// What it is, as in `application/pdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), pattern(r"^[^\x00-\x1f\x7f]+$"))]
    pub media_type: Option<String>,
    /// Its bytes are so many.
    pub size: u64,
    /// The checksum of all of them.
    pub digest: Checksum,
    /// The bytes themselves as base64 (RFC 4648, padded), if they travel in the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The checksums of its pieces, in order, if it goes by reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8192))]
    pub pieces: Vec<Checksum>,
    /// Under which id the pieces are kept: of the query that they came with, or that they answer. They go when
    /// that record is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<QueryId>,
    /// Fields of other versions.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Attachment {
    /// One that travels in its message. The SDK moves it out where it is too large for that.
    #[must_use]
    pub fn inline(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            media_type: None,
            size: bytes.len() as u64,
            digest: Checksum::of(bytes),
            data: Some(STANDARD.encode(bytes)),
            pieces: Vec::new(),
            record: None,
            extra: Extra::new(),
        }
    }

    /// The same, and what it is, as in `application/pdf`.
    #[must_use]
    pub fn media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }

    /// The bytes that travel in the message; none, if they do not. Whether they are the right ones is not looked at.
    ///
    /// # Errors
    /// When `data` is no base64: says what is wrong with it.
    pub fn data(&self) -> Option<Result<Vec<u8>, String>> {
        self.data.as_ref().map(|data| STANDARD.decode(data).map_err(|error| format!("its data is no base64: {error}")))
    }
}

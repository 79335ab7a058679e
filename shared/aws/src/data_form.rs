//! In which form data is stored: as it came, or compressed where that is smaller.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use pillarbox_domain::limits::MAX_EVENT_BYTES;
use pillarbox_domain::{Data, StoreError};
use serde_json::value::RawValue;

use crate::item::{Item, Reader, s};

/// Data below this many bytes is not worth the compressor's time: its frame costs 10 bytes or more.
const MIN_COMPRESSED_BYTES: usize = 128;

/// The level at which zstd spends about as long as SHA-256 on the same bytes.
const ZSTD_LEVEL: i32 = 3;

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataForm {
    Json,
    JsonZstd,
    Binary,
    BinaryZstd,
}

impl DataForm {
    pub(crate) const ALL: [Self; 4] = [Self::Json, Self::JsonZstd, Self::Binary, Self::BinaryZstd];

    /// The attribute that holds data in this form.
    pub(crate) const fn attribute(self) -> &'static str {
        match self {
            Self::Json => "data_json",
            Self::JsonZstd => "data_json_zstd",
            Self::Binary => "data_binary",
            Self::BinaryZstd => "data_binary_zstd",
        }
    }

    /// What the form is called where the data is elsewhere.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonZstd => "json_zstd",
            Self::Binary => "binary",
            Self::BinaryZstd => "binary_zstd",
        }
    }

    /// The way back from [`DataForm::name`].
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// The form of the data that an item holds, if it holds any.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|form| item.contains_key(form.attribute()))
    }

    /// The smaller form, and the data in it.
    pub(crate) fn encode(data: &Data) -> (Self, AttributeValue) {
        match (data, compress(data.bytes())) {
            (Data::Json(_), Some(zstd)) => (Self::JsonZstd, AttributeValue::B(Blob::new(zstd))),
            (Data::Binary(_), Some(zstd)) => (Self::BinaryZstd, AttributeValue::B(Blob::new(zstd))),
            (Data::Json(json), None) => (Self::Json, s(json.get())),
            (Data::Binary(bytes), None) => {
                (Self::Binary, AttributeValue::B(Blob::new(bytes.as_slice())))
            }
        }
    }

    /// The data that an item holds, if it holds any.
    pub(crate) fn decode_inline(reader: &Reader<'_>) -> Result<Option<Data>, StoreError> {
        let Some(form) = Self::of(reader.item) else {
            return Ok(None);
        };
        let name = form.attribute();
        let second = Self::ALL
            .into_iter()
            .find(|other| *other != form && reader.item.contains_key(other.attribute()));
        if let Some(second) = second {
            let detail = format!("is there beside {name}");
            return Err(reader.malformed(second.attribute(), detail));
        }
        let bytes = match form {
            Self::Json => reader.text(name)?.as_bytes(),
            Self::JsonZstd | Self::Binary | Self::BinaryZstd => reader.bytes(name)?,
        };
        form.decode(reader, bytes.to_vec()).map(Some)
    }

    /// Data from bytes in this form.
    pub(crate) fn decode(self, reader: &Reader<'_>, bytes: Vec<u8>) -> Result<Data, StoreError> {
        let malformed = |error: &dyn std::fmt::Display| reader.malformed(self.attribute(), error);
        let bytes = match self {
            Self::Json | Self::Binary => bytes,
            Self::JsonZstd | Self::BinaryZstd => zstd::bulk::decompress(&bytes, MAX_EVENT_BYTES)
                .map_err(|error| malformed(&error))?,
        };
        match self {
            Self::Binary | Self::BinaryZstd => Ok(Data::Binary(bytes)),
            Self::Json | Self::JsonZstd => {
                let text = String::from_utf8(bytes).map_err(|error| malformed(&error))?;
                let json = RawValue::from_string(text).map_err(|error| malformed(&error))?;
                Ok(Data::Json(json))
            }
        }
    }
}

/// The smaller form, if there is one. A compressor that fails is one that does not help.
pub(crate) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < MIN_COMPRESSED_BYTES {
        return None;
    }
    let compressed = zstd::bulk::compress(bytes, ZSTD_LEVEL).ok()?;
    (compressed.len() < bytes.len()).then_some(compressed)
}

//! The administrators' key: made here, offline, so that the bus only ever sees its hash before first use.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Bytes of secret in a key. 256 random bits need no slow hash: they cannot be guessed.
const SECRET_BYTES: usize = 32;

/// Every administrators' key begins so: `_bus` is the bus's own, which no tenant id can be.
const PREFIX: &str = "pbk__bus_";

/// A key and what the bus stores of it.
#[derive(Serialize)]
pub struct AdminKey {
    /// `pbk__bus_` and the secret in RFC 4648 base32, lower case, no padding: 52 characters.
    pub key: String,
    /// Lower-case hexadecimal SHA-256 of the whole key string: the template's `AdminKeySha256`.
    pub sha256: String,
}

impl AdminKey {
    /// Makes a key from the operating system's random bytes.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn generate() -> Result<Self, Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(Error::NoRandomness)?;
        Ok(Self::from_secret(&secret))
    }

    fn from_secret(secret: &[u8; SECRET_BYTES]) -> Self {
        let key = format!(
            "{PREFIX}{}",
            BASE32_NOPAD.encode(secret).to_ascii_lowercase()
        );
        let sha256 = HEXLOWER.encode(&Sha256::digest(key.as_bytes()));
        Self { key, sha256 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_hash_have_the_documented_form() {
        let made = AdminKey::from_secret(&[0xff; SECRET_BYTES]);
        assert_eq!(made.key, format!("pbk__bus_{}q", "7".repeat(51)));
        // printf %s pbk__bus_777…q | sha256sum
        assert_eq!(
            made.sha256,
            "32b271a5c47d50abb659b7f9ea88f329536ef57840be184eb60e4d9a3761885a"
        );
    }

    #[test]
    fn no_two_keys_are_alike() {
        let (one, other) = (AdminKey::generate().unwrap(), AdminKey::generate().unwrap());
        assert_ne!(one.key, other.key);
        assert_eq!(one.key.len(), PREFIX.len() + 52);
    }
}

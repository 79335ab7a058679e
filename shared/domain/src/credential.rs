//! API keys, what they allow, and how a presented one is checked.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::{Encoding, HEXLOWER, Specification};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::timed_cache::TimedCache;

/// Random bytes in a key's secret: 256 bits, so that a plain hash of the key cannot be searched.
pub const SECRET_BYTES: usize = 32;

const PREFIX: &str = "pbk_";

/// What a credential allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Publish events.
    Publish,
    /// Read events, statistics and states.
    Read,
    /// Change subscriptions; replay, redrive, discard.
    Operate,
    /// Manage tenants and their keys. Only the bus itself has it.
    Admin,
}

impl Scope {
    /// Every scope, in the order of their reach.
    pub const ALL: [Self; 4] = [Self::Publish, Self::Read, Self::Operate, Self::Admin];

    /// The name that keys, requests and problems use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// A text is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of publish, read, operate, admin")]
pub struct InvalidScope;

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(InvalidScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key as its owner holds it: `pbk_<tenant>_<secret>`, the secret in base32.
///
/// Neither `Debug` nor `Display` shows it; [`ApiKey::expose`] does, once, to the one who asked for it.
#[derive(Clone)]
pub struct ApiKey {
    tenant: TenantId,
    text: String,
}

/// A text is not an API key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct InvalidApiKey;

impl ApiKey {
    /// The key of this tenant with this secret.
    pub fn new(tenant: TenantId, secret: &[u8; SECRET_BYTES]) -> Self {
        let text = format!("{PREFIX}{tenant}_{}", base32().encode(secret));
        Self { tenant, text }
    }

    /// The tenant that the key claims to be of. Only the stored digest makes it true.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The key itself. It must not be logged or stored.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is stored of the key.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(&self.text).into())
    }
}

impl FromStr for ApiKey {
    type Err = InvalidApiKey;

    fn from_str(text: &str) -> Result<Self, InvalidApiKey> {
        let rest = text.strip_prefix(PREFIX).ok_or(InvalidApiKey)?;
        // The secret holds no underscore; the tenant of the bus does.
        let (tenant, secret) = rest.rsplit_once('_').ok_or(InvalidApiKey)?;
        let secret = base32()
            .decode(secret.as_bytes())
            .map_err(|_| InvalidApiKey)?;
        if secret.len() != SECRET_BYTES {
            return Err(InvalidApiKey);
        }
        let tenant = tenant.parse().map_err(|_| InvalidApiKey)?;
        Ok(Self {
            tenant,
            text: text.to_owned(),
        })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({PREFIX}{}_…)", self.tenant)
    }
}

fn base32() -> Encoding {
    let mut alphabet = Specification::new();
    alphabet
        .symbols
        .push_str("abcdefghijklmnopqrstuvwxyz234567");
    // Thirty-two different symbols are an alphabet; there is nothing here that could fail.
    alphabet.encoding().unwrap_or(data_encoding::BASE32_NOPAD)
}

/// SHA-256 of a whole key. Comparing two takes the same time whatever they hold.
#[derive(Clone, Copy, Debug)]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The name of the key for people and tables: the first 16 hex digits of its digest.
    pub fn key_id(&self) -> KeyId {
        let [
            head @ ..,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] = &self.0;
        KeyId(HEXLOWER.encode(head))
    }

    /// 64 lower-case hex digits.
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// A text is not 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hex digits")]
pub struct InvalidDigest;

impl FromStr for KeyDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_| InvalidDigest)?;
        bytes.try_into().map(Self).map_err(|_| InvalidDigest)
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for KeyDigest {}

/// Names a key without giving it away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is kept of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Proves a presented key.
    pub digest: KeyDigest,
    /// What it allows.
    pub scopes: BTreeSet<Scope>,
    /// What its owner calls it.
    pub name: Option<String>,
}

/// Who is calling, once a credential has proved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The tenant that the call is for.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

/// Where the keys' digests are.
pub trait KeyStore {
    /// The key with this id, if this tenant has it.
    fn key(
        &self,
        tenant: &TenantId,
        key_id: &KeyId,
    ) -> impl Future<Output = Result<Option<StoredKey>, StoreError>> + Send;
}

/// How old a remembered key may be: the time within which a revocation takes effect.
pub const MAX_KEY_AGE: Duration = Duration::from_secs(30);

/// Remembers the keys that another store has, for [`MAX_KEY_AGE`]. Keys that do not exist are not
/// remembered: nobody can fill the memory by guessing.
pub struct CachedKeys<K, C> {
    source: K,
    cache: TimedCache<(TenantId, KeyId), StoredKey, C>,
}

impl<K, C: Clock> CachedKeys<K, C> {
    /// A cache in front of `source`, empty.
    pub fn new(source: K, clock: C) -> Self {
        Self {
            source,
            cache: TimedCache::new(MAX_KEY_AGE, clock),
        }
    }
}

impl<K: KeyStore + Sync, C: Clock + Sync> KeyStore for CachedKeys<K, C> {
    async fn key(
        &self,
        tenant: &TenantId,
        key_id: &KeyId,
    ) -> Result<Option<StoredKey>, StoreError> {
        let read = self.source.key(tenant, key_id);
        self.cache
            .get_or_read((tenant.clone(), key_id.clone()), read)
            .await
    }
}

/// Checks a presented key; `Ok(None)` means that it is not one of ours.
///
/// `administrator` is the digest that the stack was deployed with. It opens the first door, before
/// any key can have been stored.
pub async fn identify<K: KeyStore>(
    keys: &K,
    administrator: &KeyDigest,
    presented: &str,
) -> Result<Option<Grant>, StoreError> {
    let Ok(key) = presented.parse::<ApiKey>() else {
        return Ok(None);
    };
    let digest = key.digest();
    if key.tenant.is_bus() && digest == *administrator {
        return Ok(Some(Grant {
            tenant: key.tenant,
            scopes: Scope::ALL.into(),
        }));
    }
    let stored = keys.key(&key.tenant, &digest.key_id()).await?;
    Ok(stored
        .filter(|stored| stored.digest == digest && stored.tenant == key.tenant)
        .map(|stored| Grant {
            tenant: stored.tenant,
            scopes: stored.scopes,
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str) -> ApiKey {
        ApiKey::new(tenant.parse().unwrap(), &[7; SECRET_BYTES])
    }

    #[test]
    fn a_key_comes_back_from_its_text() {
        for tenant in ["demo", "shop-42", "_bus"] {
            let parsed: ApiKey = key(tenant).expose().parse().unwrap();
            assert_eq!(parsed.tenant().as_str(), tenant);
            assert_eq!(parsed.digest(), key(tenant).digest());
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused() {
        let good = key("demo").expose().to_owned();
        let bad = [
            "",
            "pbk_",
            "pbk_demo",
            "pbk_demo_",
            "pbk_demo_abc",
            &good[1..],
            &good[..good.len() - 1],
            &good.to_uppercase(),
            &good.replace("demo", "De mo"),
        ];
        for text in bad {
            assert!(text.parse::<ApiKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_is_never_shown_by_debug() {
        let key = key("demo");
        assert_eq!(format!("{key:?}"), "ApiKey(pbk_demo_…)");
    }

    #[test]
    fn a_digest_names_its_key_and_comes_back_from_hex() {
        let digest = key("demo").digest();
        assert_eq!(digest.to_hex().parse(), Ok(digest));
        assert_eq!(digest.key_id().to_string(), digest.to_hex()[..16]);
        assert_eq!("00".parse::<KeyDigest>(), Err(InvalidDigest));
    }
}

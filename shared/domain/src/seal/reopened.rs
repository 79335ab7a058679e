//! Hours that something came late to, and hours before the chain began that something is in.

use std::collections::BTreeMap;

use time::UtcDateTime;

use super::chain::{Chain, newest};
use super::proof::prove;
use super::sealer::Spread;
use super::{Left, Pass, Redispatch, Reopening, SealStore, SealedManifest, Sealer, Unsealed};
use crate::archive::{ArchiveReader, ArchiveWriter, Archiver, HourReceipts, TenantHour};
use crate::clock::Clock;
use crate::event_query::{EventBodies, LogIndex};
use crate::log_hour::LogHour;
use crate::receipt::ReceiptLedger;
use crate::registry::Tenants;
use crate::store_error::StoreError;
use crate::tenant_settings::TenantSettingsReader;

/// Reopenings that one pass looks at.
const MAX_REOPENINGS: usize = 1_000;

impl<T, L, R, A, S, D, C> Sealer<'_, T, L, R, A, S, D, C>
where
    T: Tenants + TenantSettingsReader,
    L: LogIndex + EventBodies,
    R: ReceiptLedger,
    A: ArchiveReader + ArchiveWriter,
    S: SealStore,
    D: Redispatch,
    C: Clock,
{
    /// Seals them again. An hour that is not sealed yet will be, with all that came to it.
    pub(super) async fn seal_reopened(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        spread: &Spread,
        chain: &mut Chain<'_, A, S>,
        settled: UtcDateTime,
        pass: &mut Pass,
    ) -> Result<(), StoreError> {
        if !chain.is_begun() {
            return Ok(());
        }
        let mut hours: BTreeMap<LogHour, Vec<Reopening>> = BTreeMap::new();
        for reopening in self.seals.reopened(MAX_REOPENINGS).await? {
            if reopening.hour < chain.next() && reopening.noted_at <= settled {
                hours.entry(reopening.hour).or_default().push(reopening);
            }
        }
        for (hour, reopenings) in hours {
            if self.clock.now() > archiver.deadline {
                break;
            }
            let sealed = self.reseal(archiver, spread, chain, &reopenings, pass);
            if let Err(why) = sealed.await {
                pass.left.push(Left { hour, why });
                chain.read_again().await?;
            }
        }
        Ok(())
    }

    /// Seals an hour again, with what its reopened tenants have that is not in the archive. What cannot be proven of
    /// one tenant is no reason to leave out the others.
    async fn reseal(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        spread: &Spread,
        chain: &mut Chain<'_, A, S>,
        reopenings: &[Reopening],
        pass: &mut Pass,
    ) -> Result<(), Unsealed> {
        let Some(hour) = reopenings.first().map(|reopening| reopening.hour) else {
            return Ok(());
        };
        let receipts = HourReceipts::read(self.receipts, hour).await?;
        let (mut manifests, mut done, mut left) = (Vec::new(), Vec::new(), None);
        for reopening in reopenings {
            let tenant = &reopening.tenant;
            let of = TenantHour {
                tenant,
                hour,
                shards: spread.get(tenant).copied().unwrap_or_default(),
                receipts: receipts.of(tenant),
            };
            match self.archive_more(archiver, of, pass).await {
                Ok(manifest) => {
                    manifests.extend(manifest);
                    done.push(reopening);
                }
                Err(why) => left = left.or(Some(why)),
            }
        }
        let (before, revision) = chain.sealed(hour).await?;
        let after = newest(&before, manifests);
        if after != before {
            chain
                .append(hour, revision, after, self.clock.now())
                .await?;
            pass.resealed.push(hour);
        }
        for reopening in done {
            self.seals.forget(reopening).await?;
        }
        left.map_or(Ok(()), Err)
    }

    async fn archive_more(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        of: TenantHour<'_>,
        pass: &mut Pass,
    ) -> Result<Option<SealedManifest>, Unsealed> {
        let base = archiver.base(of).await?;
        let proof = prove(archiver, self.redispatch, of, &base).await?;
        pass.dispatched += proof.missing;
        if let Some(first) = proof.first_missing {
            return Err(Unsealed::Unproven {
                events: proof.missing,
                tenant: of.tenant.clone(),
                first,
            });
        }
        let Some(archived) = archiver.archive(of, base).await? else {
            return Ok(None);
        };
        pass.count(of.tenant, &archived);
        Ok(Some(archived.manifest))
    }
}

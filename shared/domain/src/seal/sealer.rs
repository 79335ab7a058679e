//! A pass over the hours that are closed and not sealed, the oldest first.
//!
//! An hour is proven first: whatever of any tenant is in no receipt is dispatched, and the hour is left for the next
//! pass. Then each tenant's part of it is archived, and then it is sealed. A crash between any two writes leaves what
//! the next pass takes over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use time::UtcDateTime;

use super::chain::{Chain, is_closed};
use super::proof::{Proof, prove};
use super::{HOLD, Left, Pass, Redispatch, SealStore, SealedManifest, Unsealed};
use crate::archive::{
    ArchiveReader, ArchiveWriter, Archived, Archiver, Base, HourReceipts, ObjectLimits, TenantHour,
};
use crate::clock::Clock;
use crate::event_query::{EventBodies, LogIndex};
use crate::log_hour::{HourRange, LogHour};
use crate::log_shard::LogShards;
use crate::receipt::ReceiptLedger;
use crate::registry::Tenants;
use crate::store_error::StoreError;
use crate::tenant::TenantId;
use crate::tenant_settings::TenantSettingsReader;

/// Tenants that are asked for in one call.
const TENANTS_A_PAGE: usize = 500;

/// Tenants whose settings are read at a time, and whose hours are proven at a time.
const TENANTS_AT_A_TIME: usize = 16;

/// Tenants whose hours are archived at a time. Each has an object of lines in memory, and the same compressed.
const ARCHIVED_AT_A_TIME: usize = 4;

/// How a pass goes about it.
#[derive(Clone, Copy, Debug)]
pub struct SealSettings {
    /// How long a pass begins something new.
    pub budget: Duration,
    /// How long the index of the log may be behind: an hour is closed for as long before it is sealed, and a
    /// reopening noted for as long before it is looked at.
    pub settle: Duration,
    /// Where objects are cut.
    pub limits: ObjectLimits,
}

impl Default for SealSettings {
    fn default() -> Self {
        Self {
            // A function may run for five.
            budget: Duration::from_secs(4 * 60),
            settle: Duration::from_secs(10 * 60),
            limits: ObjectLimits::default(),
        }
    }
}

/// Seals hours.
pub struct Sealer<'a, T, L, R, A, S, D, C> {
    /// Who has a log, and how it is spread.
    pub tenants: &'a T,
    /// The log.
    pub log: &'a L,
    /// What was handed over.
    pub receipts: &'a R,
    /// Where hours are archived.
    pub archive: &'a A,
    /// The chain.
    pub seals: &'a S,
    /// What dispatches what was not.
    pub redispatch: &'a D,
    /// What time it is.
    pub clock: &'a C,
    /// How it is gone about.
    pub settings: SealSettings,
}

/// Who has a log, and how it is spread.
pub(super) type Spread = BTreeMap<TenantId, LogShards>;

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
    /// Seals what can be sealed, unless another is at it.
    ///
    /// Fails when it is not known how far sealing is. What is in the way of an hour is told in [`Pass::left`], and what
    /// was in the way of the rest of the pass in [`Pass::fault`].
    pub async fn run(&self) -> Result<Pass, StoreError> {
        let (holder, started) = (self.clock.next_id(), self.clock.now());
        let settled = started.saturating_sub(time_of(self.settings.settle));
        let mut pass = Pass::default();
        let until = started.saturating_add(time_of(HOLD));
        if self.seals.hold(holder, started, until).await? {
            let done = self.seal_all(started, settled, &mut pass).await;
            let released = self.seals.release(holder).await;
            pass.fault = done.and(released).err();
        } else {
            pass.is_held = true;
        }
        let chain = Chain::read(self.archive, self.seals, settled).await?;
        self.tell_how_far(chain.next(), settled, &mut pass);
        Ok(pass)
    }

    fn tell_how_far(&self, next: LogHour, settled: UtcDateTime, pass: &mut Pass) {
        let behind = self.clock.now() - next.end();
        pass.lag = Duration::try_from(behind).unwrap_or_default();
        let range = HourRange {
            first: next,
            last: LogHour::at(settled),
        };
        let waiting = range.iter().take_while(|hour| is_closed(*hour, settled));
        pass.waiting = waiting.count() as u64;
    }

    async fn seal_all(
        &self,
        started: UtcDateTime,
        settled: UtcDateTime,
        pass: &mut Pass,
    ) -> Result<(), StoreError> {
        let archiver = Archiver {
            log: self.log,
            archive: self.archive,
            clock: self.clock,
            deadline: started.saturating_add(time_of(self.settings.budget)),
            limits: self.settings.limits,
        };
        let spread = self.spread().await?;
        let mut chain = Chain::read(self.archive, self.seals, settled).await?;
        self.seal_closed(&archiver, &spread, &mut chain, settled, pass)
            .await?;
        self.seal_reopened(&archiver, &spread, &mut chain, settled, pass)
            .await
    }

    /// Everybody who is registered, and the bus itself, which is not.
    async fn spread(&self) -> Result<Spread, StoreError> {
        let mut tenants = vec![TenantId::bus()];
        loop {
            let last = tenants.last().filter(|last| !last.is_bus());
            let page = self.tenants.tenants(last, TENANTS_A_PAGE).await?;
            let is_whole = page.len() < TENANTS_A_PAGE;
            tenants.extend(page);
            if is_whole {
                break;
            }
        }
        let mut reads = Vec::new();
        for tenant in tenants {
            reads.push(self.shards(tenant));
        }
        let spread = stream::iter(reads).buffered(TENANTS_AT_A_TIME);
        spread.try_collect().await
    }

    async fn shards(&self, tenant: TenantId) -> Result<(TenantId, LogShards), StoreError> {
        let settings = self.tenants.settings(&tenant).await?;
        Ok((tenant, settings.unwrap_or_default().log_shards))
    }

    async fn seal_closed(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        spread: &Spread,
        chain: &mut Chain<'_, A, S>,
        settled: UtcDateTime,
        pass: &mut Pass,
    ) -> Result<(), StoreError> {
        while is_closed(chain.next(), settled) && self.clock.now() <= archiver.deadline {
            let hour = chain.next();
            match self.seal(archiver, spread, chain, hour, pass).await {
                Ok(()) => pass.sealed.push(hour),
                Err(Unsealed::Raced) if chain.read_again().await? => {}
                Err(why) => {
                    pass.left.push(Left { hour, why });
                    break;
                }
            }
        }
        Ok(())
    }

    async fn seal(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        spread: &Spread,
        chain: &mut Chain<'_, A, S>,
        hour: LogHour,
        pass: &mut Pass,
    ) -> Result<(), Unsealed> {
        let receipts = HourReceipts::read(self.receipts, hour).await?;
        // Whoever was handed something has a log, registered or not.
        let unregistered = receipts
            .tenants()
            .filter(|tenant| !spread.contains_key(tenant));
        let unregistered: Vec<_> = unregistered
            .map(|tenant| (tenant, LogShards::default()))
            .collect();
        let registered = spread.iter().map(|(tenant, shards)| (tenant, *shards));
        let mut hours: Vec<TenantHour<'_>> = registered
            .chain(unregistered)
            .map(|(tenant, shards)| TenantHour {
                tenant,
                hour,
                shards,
                receipts: receipts.of(tenant),
            })
            .collect();
        self.prove_all(archiver, &mut hours, pass).await?;
        let manifests = self.archive_all(archiver, &hours, pass).await?;
        chain.append(hour, 0, manifests, self.clock.now()).await
    }

    /// Leaves those hours that have events, once all of them are proven.
    async fn prove_all(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        hours: &mut Vec<TenantHour<'_>>,
        pass: &mut Pass,
    ) -> Result<(), Unsealed> {
        let nothing = Base::default();
        let mut proofs = Vec::new();
        for of in hours.iter() {
            proofs.push(prove(archiver, self.redispatch, *of, &nothing));
        }
        let proofs = stream::iter(proofs).buffered(TENANTS_AT_A_TIME);
        let proofs: Vec<Proof> = proofs.try_collect().await?;
        let missing: u64 = proofs.iter().map(|proof| proof.missing).sum();
        pass.dispatched += missing;
        let found = hours.iter().zip(&proofs);
        let first = found.filter_map(|(of, proof)| Some((of, proof.first_missing?)));
        if let Some((of, first)) = first.min_by_key(|(_, first)| *first) {
            return Err(Unsealed::Unproven {
                events: missing,
                tenant: of.tenant.clone(),
                first,
            });
        }
        let mut proofs = proofs.iter();
        hours.retain(|_| proofs.next().is_some_and(|proof| proof.entries > 0));
        Ok(())
    }

    async fn archive_all(
        &self,
        archiver: &Archiver<'_, L, A, C>,
        hours: &[TenantHour<'_>],
        pass: &mut Pass,
    ) -> Result<Vec<SealedManifest>, Unsealed> {
        let mut work = Vec::new();
        for of in hours {
            work.push(archive(archiver, *of));
        }
        let mut archived = stream::iter(work).buffered(ARCHIVED_AT_A_TIME);
        let mut manifests = Vec::new();
        for of in hours {
            if let Some(archived) = archived.try_next().await?.flatten() {
                pass.count(of.tenant, &archived);
                manifests.push(archived.manifest);
            }
        }
        manifests.sort_by(|one, other| one.tenant.cmp(&other.tenant));
        Ok(manifests)
    }
}

async fn archive<L, A, C>(
    archiver: &Archiver<'_, L, A, C>,
    of: TenantHour<'_>,
) -> Result<Option<Archived>, Unsealed>
where
    L: LogIndex + EventBodies,
    A: ArchiveReader + ArchiveWriter,
    C: Clock,
{
    let base = archiver.base(of).await?;
    Ok(archiver.archive(of, base).await?)
}

fn time_of(duration: Duration) -> time::Duration {
    time::Duration::try_from(duration).unwrap_or(time::Duration::MAX)
}

//! The handle that everybody holds: it ties the three states to the master key, the clock and the cache.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use brickyard_store::{Reading, Store, Transaction};
use brickyard_types::{Clock, Entropy, GroupName, Principal, PrincipalId, SignedDuration, Timestamp};

use crate::config::{IdentityConfig, SigningAlgorithm};
use crate::credentials::Credentials;
use crate::directory::{self, Directory, DirectoryError, NewUser};
use crate::error::IdentityError;
use crate::keyed_hash::Pepper;
use crate::keys::{Jwk, KeyRing, KeyRingChange, KeyStatus};
use crate::oauth::FailureLimit;
use crate::rotation::Rotation;
use crate::seal::MasterKey;
use crate::signing_key::{self, SigningFailed, SigningKey};
use crate::slots::IdentitySlots;
use crate::verified::VerifiedCache;

/// Who is who in one workspace. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) slots: IdentitySlots,
    pub(crate) config: IdentityConfig,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) pepper: Pepper,
    pub(crate) issuer: Arc<str>,
    pub(crate) audience: Arc<str>,
    pub(crate) verified: VerifiedCache,
    pub(crate) rotation: Rotation,
    pub(crate) failures: FailureLimit,
    /// How many signatures were checked: the cost that the cache is there to save, and no answer shows.
    #[cfg(test)]
    pub(crate) checked: std::sync::atomic::AtomicUsize,
    signing: ArcSwapOption<SigningKey>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("issuer", &self.inner.issuer).finish_non_exhaustive()
    }
}

impl Identity {
    /// Opens the identity on an open store: sees to it that the groups `users` and `admins` exist and that a key of
    /// the configured algorithm can sign.
    ///
    /// # Errors
    /// If the configuration is refused, the signing key cannot be unsealed with `master`, or the journal fails.
    pub async fn open(
        store: Store,
        slots: IdentitySlots,
        config: IdentityConfig,
        master: Arc<MasterKey>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, IdentityError> {
        config.check()?;
        let inner = Inner {
            pepper: Pepper::of(&master),
            issuer: config.issuer().into(),
            audience: config.workspace_id.to_string().into(),
            verified: VerifiedCache::default(),
            rotation: Rotation::default(),
            failures: FailureLimit::default(),
            #[cfg(test)]
            checked: Default::default(),
            signing: ArcSwapOption::empty(),
            store,
            slots,
            config,
            master,
            clock,
            entropy,
        };
        let identity = Self { inner: Arc::new(inner) };
        identity.ensure().await?;
        Ok(identity)
    }

    /// What [`open`](Self::open) sees to, again: after a reset or a restored snapshot.
    ///
    /// # Errors
    /// If the signing key cannot be unsealed, or the journal fails.
    pub async fn ensure(&self) -> Result<(), IdentityError> {
        let slots = self.inner.slots;
        self.inner.store.commit(|tx| directory::ensure_built_in_groups(tx, slots)).await?;
        let signing = self.keys().signing_at(self.now()).map(|key| key.algorithm);
        if signing != Some(self.inner.config.signing_algorithm) {
            self.rotate_signing_key().await?;
        }
        self.signing_key()?;
        Ok(())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What it was opened with.
    pub fn config(&self) -> &IdentityConfig {
        &self.inner.config
    }

    /// Where its states are in the store.
    pub fn slots(&self) -> IdentitySlots {
        self.inner.slots
    }

    /// The directory as it is now.
    pub fn directory(&self) -> Reading<Directory> {
        self.inner.store.read(self.inner.slots.directory())
    }

    /// The credentials as they are now.
    pub fn credentials(&self) -> Reading<Credentials> {
        self.inner.store.read(self.inner.slots.credentials())
    }

    /// The key ring as it is now.
    pub fn keys(&self) -> Reading<KeyRing> {
        self.inner.store.read(self.inner.slots.keys())
    }

    /// The public keys for `/oidc/jwks.json`, newest first.
    pub fn jwks(&self) -> Vec<Jwk> {
        self.keys().jwks()
    }

    /// The key that signs now, unsealed once for as long as it does.
    pub(crate) fn signing_key(&self) -> Result<Arc<SigningKey>, SigningFailed> {
        let ring = self.keys();
        let record = ring.signing_at(self.now()).ok_or(SigningFailed::NoKey)?;
        if let Some(key) = &*self.inner.signing.load()
            && key.kid == record.kid
        {
            return Ok(key.clone());
        }
        let key = Arc::new(SigningKey::unseal(record, &self.inner.master)?);
        self.inner.signing.store(Some(key.clone()));
        Ok(key)
    }

    async fn new_key(
        &self,
        algorithm: SigningAlgorithm,
        valid_from: Timestamp,
    ) -> Result<KeyRingChange, IdentityError> {
        let (master, entropy) = (self.inner.master.clone(), self.inner.entropy.clone());
        let make = move || signing_key::generate(algorithm, valid_from, &master, &*entropy);
        if algorithm == SigningAlgorithm::Rs256 {
            // Finding two primes takes a tenth of a second and more.
            let made = tokio::task::spawn_blocking(make).await;
            return Ok(made.map_err(|_| SigningFailed::Library("make a key"))??);
        }
        Ok(make()?)
    }

    /// Adds a key that signs from now on. Those before it only verify, for as long as a token they signed can live.
    /// Answers with the new key's id.
    ///
    /// # Errors
    /// If no key can be made, or the journal fails.
    pub async fn rotate_signing_key(&self) -> Result<Arc<str>, IdentityError> {
        let now = self.now();
        let added = self.new_key(self.inner.config.signing_algorithm, now).await?;
        let KeyRingChange::Added { kid, .. } = &added else { return Err(SigningFailed::NoKey.into()) };
        let kid = kid.clone();
        let slot = self.inner.slots.keys();
        let memory = self.inner.config.max_token_lifetime + self.inner.config.leeway;
        let replace = |tx: &mut Transaction| {
            let mut changes = Vec::new();
            for key in tx.get(slot).keys() {
                match key.status {
                    KeyStatus::Valid if key.valid_from <= now => {
                        changes.push(KeyRingChange::Retained { kid: key.kid.clone(), since: now });
                    }
                    KeyStatus::Retained { since } if now.duration_since(since) > memory => {
                        changes.push(KeyRingChange::Forgotten { kid: key.kid.clone() });
                    }
                    _ => {}
                }
            }
            changes.push(added);
            for change in changes {
                tx.change(slot, change);
            }
            Ok::<(), SigningFailed>(())
        };
        self.inner.store.commit(replace).await?;
        Ok(kid)
    }

    /// Adds a key that begins to sign at `valid_from`; until then nothing it signs is accepted.
    ///
    /// # Errors
    /// If no key can be made, or the journal fails.
    pub async fn schedule_signing_key(&self, valid_from: Timestamp) -> Result<Arc<str>, IdentityError> {
        let added = self.new_key(self.inner.config.signing_algorithm, valid_from).await?;
        let KeyRingChange::Added { kid, .. } = &added else { return Err(SigningFailed::NoKey.into()) };
        let (kid, slot) = (kid.clone(), self.inner.slots.keys());
        self.commit(|tx| {
            tx.change(slot, added);
            Ok::<(), SigningFailed>(())
        })
        .await?;
        Ok(kid)
    }

    /// Revokes a signing key: nothing it signed is accepted from now on. If it was the one that signs, another takes
    /// its place in the same commit.
    ///
    /// # Errors
    /// If there is no such key, no new one can be made, or the journal fails.
    pub async fn revoke_signing_key(&self, kid: &str) -> Result<(), IdentityError> {
        let now = self.now();
        let added = self.new_key(self.inner.config.signing_algorithm, now).await?;
        let slot = self.inner.slots.keys();
        self.commit(|tx| {
            let Some(key) = tx.get(slot).key(kid) else {
                return Err(IdentityError::NoSuchKey(kid.chars().take(80).collect()));
            };
            let kid = key.kid.clone();
            tx.change(slot, KeyRingChange::Revoked { kid });
            if tx.get(slot).signing_at(now).is_none() {
                tx.change(slot, added);
            }
            Ok(())
        })
        .await
    }

    /// Commits what `decide` does, as one change of this owner.
    pub(crate) async fn commit<T, E: Into<IdentityError>>(
        &self,
        decide: impl FnOnce(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, IdentityError> {
        Ok(self.inner.store.commit(decide).await?)
    }

    /// Creates a user.
    ///
    /// # Errors
    /// If the name is taken, or the journal fails.
    pub async fn create_user(&self, user: NewUser) -> Result<Principal, IdentityError> {
        self.commit(|tx| directory::create_user(tx, self.inner.slots, &user)).await
    }

    /// Creates a service principal; without an application id it gets a random one.
    ///
    /// # Errors
    /// If the application id is no UUID or is taken, or the journal fails.
    pub async fn create_service_principal(
        &self,
        display_name: &str,
        application_id: Option<&str>,
    ) -> Result<Principal, IdentityError> {
        let id =
            application_id.map_or_else(|| directory::new_application_id(&*self.inner.entropy), str::to_owned);
        self.commit(|tx| directory::create_service_principal(tx, self.inner.slots, display_name, &id)).await
    }

    /// Creates a group.
    ///
    /// # Errors
    /// If the name is taken, or the journal fails.
    pub async fn create_group(&self, name: &GroupName) -> Result<PrincipalId, IdentityError> {
        self.commit(|tx| directory::create_group(tx, self.inner.slots, name)).await
    }

    /// Puts a user, service principal or group into a group.
    ///
    /// # Errors
    /// If either is not there, it would end up inside itself, or the journal fails.
    pub async fn add_member(&self, group: PrincipalId, member: PrincipalId) -> Result<(), IdentityError> {
        self.commit(|tx| directory::add_member(tx, self.inner.slots, group, member)).await
    }

    /// Takes a user, service principal or group out of a group.
    ///
    /// # Errors
    /// If there is no such group, or the journal fails.
    pub async fn remove_member(&self, group: PrincipalId, member: PrincipalId) -> Result<(), IdentityError> {
        self.commit(|tx| directory::remove_member(tx, self.inner.slots, group, member)).await
    }

    /// Enables or disables a principal, effective at once.
    ///
    /// # Errors
    /// If nobody has that id, or the journal fails.
    pub async fn set_active(&self, id: PrincipalId, active: bool) -> Result<(), IdentityError> {
        self.commit(|tx| directory::set_active(tx, self.inner.slots, id, active)).await
    }

    /// Deletes a principal with all it holds, effective at once. An endpoint's own principal goes only with the
    /// endpoint.
    ///
    /// # Errors
    /// If nobody has that id, it is an endpoint's own, or the journal fails.
    pub async fn delete_principal(&self, id: PrincipalId) -> Result<(), IdentityError> {
        let slots = self.inner.slots;
        self.commit(|tx| match tx.get(slots.directory()).by_id(id) {
            Some(entry) if entry.is_system() => Err(DirectoryError::System(entry.principal.name.to_string())),
            _ => directory::delete_principal(tx, slots, id),
        })
        .await
    }

    /// Deletes a group.
    ///
    /// # Errors
    /// If there is no such group, it is built in, or the journal fails.
    pub async fn delete_group(&self, id: PrincipalId) -> Result<(), IdentityError> {
        self.commit(|tx| directory::delete_group(tx, self.inner.slots, id)).await
    }

    /// How long until `end`, in whole seconds, never negative.
    pub(crate) fn seconds_until(&self, end: Timestamp, now: Timestamp) -> u64 {
        let left: SignedDuration = end.duration_since(now);
        u64::try_from(left.as_secs()).unwrap_or(0)
    }
}

//! Starting an engine: probe, refuse or go on, clean up after dead servers, start the spawner.

use std::io;
use std::os::fd::AsFd;

use sandbox::host::block::{self, BLOCK_UIDS, Block};
use sandbox::host::cgroups;
use sandbox::host::filter::{self};
use sandbox::host::mounts::MountPolicy;
use sandbox::host::policy::{FilterKind, SyscallPolicy};
use sandbox::host::probe::{Probe, probe};
use sandbox::host::syscall_numbers::Arch;
use sandbox::plan::{CgroupParents, ConfinePlan, Privilege, SpawnerPlan};

use crate::config::{EngineConfig, MOST_SLOTS};
use crate::error::ExecutionError;
use crate::isolation::{self, Isolation, Tier};
use crate::kit::Kit;
use crate::preload::{self, Preload};
use crate::root::{self, Packages};
use crate::sampler::Sampler;
use crate::serving_user;
use crate::spawner::Spawner;
use crate::store::Store;

/// Slots of one block of uids: executions and children that wait. Init and the server have their
/// own uids.
pub(crate) const BLOCK_SLOTS: usize = BLOCK_UIDS as usize - 6;

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartEngineError {
    /// A layer without which nothing is confined.
    #[error("this host lacks {}", missing.join(" and "))]
    Missing {
        /// Each with its remedy.
        missing: Vec<&'static str>,
    },
    /// The host's tier is below the one asked for.
    #[error(
        "this host offers the tier `{offered}`, but `{wanted}` is the least that may serve; see `hognose doctor`, or name `--min-tier {offered}`"
    )]
    Tier {
        /// What it offers.
        offered: Tier,
        /// What was asked for.
        wanted: Tier,
    },
    /// More slots than a block has uids.
    #[error("{slots} executions at once cannot be; ask for 1 to {MOST_SLOTS}")]
    Slots {
        /// What was asked for.
        slots: usize,
    },
    /// A preload that does not exist, or not in this environment.
    #[error("there is no preload `{name}` here; choose one of {known}, or none")]
    Preload {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// An embedded policy is wrong.
    #[error("the embedded policy is unusable: {0}")]
    Policy(String),
    /// Nobody can say how much memory a guest has.
    #[error("cannot start the sampler, which bounds memory where there are no cgroups")]
    Sampler(#[source] ExecutionError),
    /// A host operation failed.
    #[error("cannot {operation}")]
    Host {
        /// What we were doing.
        operation: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// What `Engine::start` puts together.
pub(crate) struct Started {
    pub(crate) isolation: Isolation,
    pub(crate) block: Block,
    pub(crate) spawner: Spawner,
    pub(crate) sampler: Sampler,
    /// Those of the default environment; their plans come first.
    pub(crate) preloads: Vec<Preload>,
    /// Those of every requested environment; their plans follow, interpreter by interpreter.
    pub(crate) requested: Vec<Preload>,
    pub(crate) store: Store,
}

/// Describes this host without starting anything.
#[must_use]
pub fn inspect() -> Isolation {
    isolation::describe(&probe(), &cgroups::find())
}

pub(crate) async fn start(config: &EngineConfig) -> Result<Started, StartEngineError> {
    if config.slots == 0 || config.slots > MOST_SLOTS {
        return Err(StartEngineError::Slots {
            slots: config.slots,
        });
    }
    let found = probe();
    let parents = cgroups::find();
    let tier = isolation::tier_of(&found, &parents);
    refuse_weaker(&found, tier, config.min_tier)?;
    let kit = Kit::install(&config.state).map_err(at("write the kit into the state folder"))?;
    let locks = serving_user::lock_folder(&config.state);
    let block = block::lease(&locks).map_err(at("lease a block of uids"))?;
    // Elsewhere we made none, and our locks may not be those of whoever did.
    if tier == Tier::Full {
        cgroups::clean(&parents, &locks, &block.name);
    }
    let embedded =
        preload::embedded().map_err(|error| StartEngineError::Policy(error.to_string()))?;
    let modules = config.environment.modules();
    let mut preloads = preload::available(embedded.clone(), |module| modules.contains(module));
    if let Some(name) = config.preload.as_deref() {
        let chosen = position_of(&preloads, name)?;
        preloads = vec![preloads.swap_remove(chosen)];
    }
    let requested = embedded;
    let plan = spawner_plan(
        config,
        &found,
        tier,
        parents.clone(),
        &block,
        &kit,
        (&preloads, &requested),
    )?;
    let spawner = Spawner::start(kit.spawner(), plan, block.as_fd())
        .await
        .map_err(at("start the spawner"))?;
    let sampler = match tier {
        Tier::Full | Tier::Rootless => Sampler::Own,
        Tier::Nested => Sampler::start(&spawner)
            .await
            .map_err(StartEngineError::Sampler)?,
    };
    let store = Store::open(config.state.join("artifacts").join(&block.name))
        .map_err(at("open the artifact folder"))?;
    Ok(Started {
        isolation: isolation::describe(&found, &parents),
        block,
        spawner,
        sampler,
        preloads,
        requested,
        store,
    })
}

fn position_of(preloads: &[Preload], name: &str) -> Result<usize, StartEngineError> {
    let found = preloads.iter().position(|preload| preload.name == name);
    let names: Vec<&str> = preloads
        .iter()
        .map(|preload| preload.name.as_str())
        .collect();
    found.ok_or_else(|| StartEngineError::Preload {
        name: name.to_owned(),
        known: names.join(", "),
    })
}

fn refuse_weaker(found: &Probe, tier: Tier, wanted: Tier) -> Result<(), StartEngineError> {
    let missing = isolation::missing_essentials(found, tier);
    if !missing.is_empty() {
        return Err(StartEngineError::Missing { missing });
    }
    if tier < wanted {
        Err(StartEngineError::Tier {
            offered: tier,
            wanted,
        })
    } else {
        Ok(())
    }
}

fn spawner_plan(
    config: &EngineConfig,
    found: &Probe,
    tier: Tier,
    parents: CgroupParents,
    block: &Block,
    kit: &Kit,
    (preloads, requested): (&[Preload], &[Preload]),
) -> Result<SpawnerPlan, StartEngineError> {
    let confine = confine_plan(found, tier)?;
    let mounts =
        MountPolicy::embedded().map_err(|error| StartEngineError::Policy(error.to_string()))?;
    let common = root::Common {
        policy: &mounts,
        kit,
        confine: &confine,
        plain: config.plain,
    };
    let default = &config.environment;
    let vouched = Packages::Vouched(&default.root);
    let vouched = preloads
        .iter()
        .map(|preload| root::plan(&common, &default.interpreter, vouched, preload));
    let interpreters = config.requested.iter().flat_map(|all| &all.interpreters);
    let late = interpreters.flat_map(|python| {
        let plan = |preload| root::plan(&common, python, Packages::Requested, preload);
        requested.iter().map(plan)
    });
    let launches = vouched
        .chain(late)
        .collect::<io::Result<_>>()
        .map_err(at("plan the guest's root"))?;
    let environments = config.requested.as_ref().map(|all| &all.folder);
    Ok(SpawnerPlan {
        privilege: confine.privilege,
        first_uid: block.first_uid,
        slots: u32::try_from(BLOCK_SLOTS).unwrap_or(BLOCK_UIDS - 6),
        block: block.name.clone(),
        cgroups: if tier == Tier::Full {
            parents
        } else {
            CgroupParents::None
        },
        environments: environments.map_or_else(String::new, |folder| root::text(folder)),
        launches,
    })
}

fn confine_plan(found: &Probe, tier: Tier) -> Result<ConfinePlan, StartEngineError> {
    let policy_error = |error: &dyn std::fmt::Display| StartEngineError::Policy(error.to_string());
    let mut policy = SyscallPolicy::embedded().map_err(|error| policy_error(&error))?;
    if tier != Tier::Full {
        policy = policy.without_cgroups();
    }
    if !found.listener {
        policy = policy.without_listener();
    }
    let arch = Arch::current().ok_or_else(|| {
        StartEngineError::Policy("no system call table for this processor".into())
    })?;
    let compile =
        |which| filter::compile(&policy, which, arch).map_err(|error| policy_error(&error));
    Ok(ConfinePlan {
        privilege: match tier {
            Tier::Full | Tier::Nested => Privilege::Root,
            Tier::Rootless => Privilege::User,
        },
        landlock_abi: found.landlock_abi,
        listener: found.listener,
        zygote_filter: compile(FilterKind::Zygote)?,
        child_filter: compile(FilterKind::Child)?,
        holder_filter: compile(FilterKind::Holder)?,
    })
}

/// Where locks of all servers of this host (or of this user) lie.
fn at(operation: &'static str) -> impl Fn(io::Error) -> StartEngineError {
    move |source| StartEngineError::Host {
        operation: operation.to_owned(),
        source,
    }
}

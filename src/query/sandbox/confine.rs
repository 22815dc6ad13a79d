//! Takes away from the worker whatever its statement does not need.
//!
//! In come the files that it reads, out comes what this kernel cannot take away. Landlock lets it open these files for
//! reading and nothing else: no other file, no folder, no program. It has no network: by Landlock (Linux 6.7), or in a
//! network namespace of its own that has no devices. Limits bound its memory and its processor time, and let it write no
//! file. Where the kernel has no Landlock, or neither way to cut the network off, nothing is run.

use std::fs;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;

use super::Limits;

/// The version of Landlock's interface that knows TCP.
const TCP: i32 = 4;

/// What newer kernels can take away, and from which version of Landlock's interface on.
const NEWER: [(i32, &str); 4] = [
    (3, "cutting files short (Linux 6.2)"),
    (TCP, "TCP (Linux 6.7)"),
    (5, "ioctl on devices (Linux 6.10)"),
    (6, "abstract Unix sockets and signals to others (Linux 6.12)"),
];

/// Beside what DuckDB counts there is what it allocates without counting, bytes.
const UNCOUNTED: u64 = 512 << 20;
/// A thread that works has a stack, and so has one that reads for it, bytes.
const STACKS: u64 = 32 << 20;
/// Of addresses more is reserved than used, in all and for each thread, bytes.
const RESERVED: u64 = 4 << 30;
const RESERVED_BY_THREADS: u64 = 512 << 20;

/// The kernel has not what it takes.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfineError {
    #[error(
        "this kernel has no Landlock, which the SQL sandbox needs: use Linux 5.13 or later with `landlock` among the lsm= of its \
         command line (see /sys/kernel/security/lsm)"
    )]
    NoLandlock,
    #[error(
        "this kernel cannot cut the network off from a process: use Linux 6.7 or later, or allow unprivileged user namespaces \
         (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
    )]
    Network,
    #[error("the kernel refuses Landlock's rules: {0}")]
    Landlock(#[from] RulesetError),
    #[error("cannot open what the views are made of: {0}")]
    File(#[from] landlock::PathFdError),
    #[error("the kernel refuses to limit {0}: {1}")]
    Limit(&'static str, Errno),
    #[error("a thread was started before the process was confined: this is a bug, please report it")]
    Threads,
}

/// What is taken away at once; the rest is by [`Bounds::lock`].
pub(super) struct Bounds {
    /// Whether there is no network any more.
    alone: bool,
    /// Threads that there are, if the system tells.
    threads: Option<usize>,
}

/// Takes away the network and bounds what is used.
pub(super) fn bound(limits: &Limits) -> Result<Bounds, ConfineError> {
    // It shall not outlive whoever asked, and be the first to go when memory is short. Both are only manners.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    close_inherited();
    // Root may go into a network of its own at once; others in a user namespace, in which root would lose its rights on
    // files.
    let alone = unshare(CloneFlags::CLONE_NEWNET).is_ok()
        || unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).is_ok();
    let workers = limits.threads as u64;
    let data = limits.memory.saturating_add(UNCOUNTED + workers * STACKS);
    limit("memory", Resource::RLIMIT_DATA, data)?;
    limit("addresses", Resource::RLIMIT_AS, data.saturating_add(RESERVED + workers * RESERVED_BY_THREADS))?;
    // The parent kills at the deadline; this holds when there is no parent any more.
    let seconds = limits.time.saturating_add(Duration::from_secs(2)).as_secs();
    limit("processor time", Resource::RLIMIT_CPU, seconds.saturating_mul(workers + 1))?;
    limit("written files", Resource::RLIMIT_FSIZE, 0)?;
    limit("core dumps", Resource::RLIMIT_CORE, 0)?;
    limit("message queues", Resource::RLIMIT_MSGQUEUE, 0)?;
    Ok(Bounds { alone, threads: threads() })
}

impl Bounds {
    /// Takes away all files but these, for good. Only the thread that calls it and those that it starts from then on are
    /// held to it, so none may have been started since. Tells what a newer kernel could take away beside.
    pub(super) fn lock(self, reads: impl Iterator<Item = PathBuf>) -> Result<Vec<String>, ConfineError> {
        if self.threads != threads() {
            return Err(ConfineError::Threads);
        }
        let version = lock(reads)?;
        if !self.alone && version < TCP {
            return Err(ConfineError::Network);
        }
        let missing = NEWER.iter().filter(|(since, _)| version < *since && !(self.alone && *since == TCP));
        Ok(missing.map(|(_, what)| (*what).to_owned()).collect())
    }
}

/// Whoever started weir may have left files or sockets open for it, and so for what it starts.
fn close_inherited() {
    let Ok(open) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<RawFd> = open.filter_map(|fd| fd.ok()?.file_name().to_str()?.parse().ok()).collect();
    // One of them was that of the folder, which is closed by now.
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        let _ = nix::unistd::close(fd);
    }
}

fn threads() -> Option<usize> {
    fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// No more processes or threads than there are. The kernel does not hold root to it.
pub(super) fn no_more_threads() -> Result<(), ConfineError> {
    limit("processes", Resource::RLIMIT_NPROC, 0)
}

fn limit(what: &'static str, resource: Resource, most: u64) -> Result<(), ConfineError> {
    let fail = |errno| ConfineError::Limit(what, errno);
    // What is less already stays.
    let (_, hard) = getrlimit(resource).map_err(fail)?;
    let most = most.min(hard);
    setrlimit(resource, most, most).map_err(fail)
}

/// Landlock; which version of its interface there is.
fn lock(reads: impl Iterator<Item = PathBuf>) -> Result<i32, ConfineError> {
    let mut rules: RulesetCreated = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V9))?
        .handle_access(AccessNet::from_all(ABI::V9))?
        .scope(Scope::from_all(ABI::V9))?
        .create()?;
    for path in reads {
        rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, AccessFs::ReadFile))?;
    }
    let status = rules.restrict_self()?;
    match (status.ruleset, status.landlock) {
        (
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced,
            LandlockStatus::Available { effective_abi, .. },
        ) if status.no_new_privs => Ok(effective_abi as i32),
        _ => Err(ConfineError::NoLandlock),
    }
}

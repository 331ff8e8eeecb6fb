//! Limits the reads of the store that requests cause, which take a thread and a processor for up to a second each.
//!
//! Logins and the metrics have threads of their own, so that they never wait for the store. A client reads once at a time,
//! so that its burst delays its own requests and not those of others.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::RETRY_AFTER;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::message::ProblemDetails;

/// Most reads of the store at a time.
pub const STORE_READS_MAX: usize = 2;
/// Most reads at a time for one client. Loopback and the control socket have only the limit of all.
const READS_PER_CLIENT_MAX: usize = 1;
/// Most reads that wait for their turn; those beyond are refused.
pub const STORE_READS_WAITING_MAX: usize = 64;
/// Longest wait; then the request is refused.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// When a client that was refused may try again, in seconds.
const RETRY_SECONDS: u64 = 5;

/// The reads of the store that run, and those that wait.
#[derive(Debug)]
pub struct StoreReads {
    permits: Arc<Semaphore>,
    /// The turns of the clients that read or wait.
    turns: Mutex<BTreeMap<IpAddr, Arc<Semaphore>>>,
    queue: Semaphore,
}

/// The right to read the store; given back when it is dropped.
#[derive(Debug)]
pub(super) struct StoreReadPermit {
    _turn: Option<OwnedSemaphorePermit>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for StoreReads {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(STORE_READS_MAX)),
            turns: Mutex::default(),
            queue: Semaphore::new(STORE_READS_WAITING_MAX),
        }
    }
}

impl StoreReads {
    /// A permit for one read of this client, in the order of requests.
    ///
    /// # Errors
    /// 503 while too many wait, and after too long a wait.
    pub(super) async fn acquire(&self, client: Option<IpAddr>) -> Result<StoreReadPermit, ProblemDetails> {
        let _waiting = self.queue.try_acquire().map_err(|_| busy())?;
        let turn = client.map(|it| self.turn(it));
        let permits = async {
            // The own turn first: who waits for it takes nobody's permit. No semaphore is ever closed.
            let turn = match turn {
                Some(turn) => turn.acquire_owned().await.ok(),
                None => None,
            };
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            StoreReadPermit { _turn: turn, _permit: permit }
        };
        timeout(WAIT_MAX, permits).await.map_err(|_| busy())
    }

    /// The turns of a client. A client that neither reads nor waits is forgotten.
    fn turn(&self, client: IpAddr) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, it| 1 < Arc::strong_count(it));
        Arc::clone(turns.entry(client).or_insert_with(|| Arc::new(Semaphore::new(READS_PER_CLIENT_MAX))))
    }
}

fn busy() -> ProblemDetails {
    let detail = format!("too many requests read the store; try again in {RETRY_SECONDS} s");
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, RETRY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, number]))
    }

    /// The permit of a client that does not have to wait.
    async fn at_once(reads: &StoreReads, client: Option<IpAddr>) -> Option<StoreReadPermit> {
        tokio::select! {
            biased;
            permit = reads.acquire(client) => permit.ok(),
            () = std::future::ready(()) => None,
        }
    }

    /// All permits.
    async fn all(reads: &StoreReads) -> Vec<StoreReadPermit> {
        let mut permits = Vec::new();
        while let Some(permit) = at_once(reads, None).await {
            permits.push(permit);
        }
        permits
    }

    #[tokio::test]
    async fn a_client_reads_once_at_a_time_and_delays_nobody_else() {
        let reads = StoreReads::default();
        let first = at_once(&reads, client(1)).await.unwrap();
        assert!(at_once(&reads, client(1)).await.is_none());
        let other = at_once(&reads, client(2)).await.unwrap();
        assert!(at_once(&reads, client(3)).await.is_none(), "all permits are taken");
        drop(other);
        assert!(at_once(&reads, client(1)).await.is_none());
        assert!(at_once(&reads, client(3)).await.is_some());
        drop(first);
        assert!(at_once(&reads, client(1)).await.is_some());
        assert_eq!(reads.turn(IpAddr::from([192, 0, 2, 9])).available_permits(), READS_PER_CLIENT_MAX);
        assert_eq!(reads.turns.lock().unwrap().len(), 1, "who does not read is forgotten");
    }

    #[tokio::test]
    async fn loopback_has_only_the_limit_of_all() {
        let reads = StoreReads::default();
        assert_eq!(all(&reads).await.len(), STORE_READS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_behind_too_many_is_refused() {
        let reads = Arc::new(StoreReads::default());
        let _taken = all(&reads).await;
        let wait = || {
            let reads = Arc::clone(&reads);
            tokio::spawn(async move { reads.acquire(None).await.map(drop) })
        };
        let waiting: Vec<_> = (0..STORE_READS_WAITING_MAX).map(|_| wait()).collect();
        while reads.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let began = tokio::time::Instant::now();
        let refused = reads.acquire(client(1)).await.unwrap_err();
        assert_eq!((refused.status.as_u16(), began.elapsed()), (503, Duration::ZERO));
        assert_eq!(refused.headers, [(RETRY_AFTER, RETRY_SECONDS.into())]);
        for it in waiting {
            assert_eq!(it.await.unwrap().unwrap_err().status.as_u16(), 503);
        }
        assert!(began.elapsed() >= WAIT_MAX);
    }
}

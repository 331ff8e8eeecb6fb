//! Logins, right and wrong.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::http::web_config::WebConfig;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Users with the lowest cost of bcrypt.
fn users(logins: &[(&str, &str)]) -> BTreeMap<String, PasswordHash> {
    let logins: Vec<_> = logins.iter().map(|(user, password)| (*user, *password, COST_MIN)).collect();
    users_of_cost(&logins)
}

fn users_of_cost(logins: &[(&str, &str, u32)]) -> BTreeMap<String, PasswordHash> {
    let hash =
        |password: &str, cost: u32| bcrypt::hash_with_salt(password, cost, [7; 16]).unwrap().to_string();
    let lines = logins.iter().map(|(user, password, cost)| format!("  {user}: {}\n", hash(password, *cost)));
    let text = format!("basic_auth_users:\n{}", lines.collect::<String>());
    WebConfig::parse(&text, std::path::Path::new("")).unwrap().users
}

fn basic(user: &str, password: &str) -> HeaderMap {
    let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    [(AUTHORIZATION, HeaderValue::try_from(login).unwrap())].into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn who_knows_the_password_is_let_in() {
    let (authenticator, users) =
        (Arc::new(Authenticator::default()), users(&[("alice", "a:b"), ("bob", "é")]));
    for (user, password) in [("alice", "a:b"), ("bob", "é"), ("alice", "a:b")] {
        let let_in = authenticator.user(&users, HERE, &basic(user, password)).await.unwrap();
        assert_eq!(let_in, AuthenticatedUser::Password(user.to_owned()));
    }
    for (user, password) in [("alice", "a"), ("alice", ""), ("carol", "a:b"), ("Alice", "a:b"), ("", "")] {
        let problem = authenticator.user(&users, HERE, &basic(user, password)).await.unwrap_err();
        assert_eq!(problem.status, StatusCode::UNAUTHORIZED, "{user}");
        assert!(problem.headers.iter().any(|(name, _)| name == WWW_AUTHENTICATE));
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_password_is_not_remembered() {
    let authenticator = Arc::new(Authenticator::default());
    let (old, new) = (users(&[("alice", "old")]), users(&[("alice", "new")]));
    assert!(authenticator.user(&old, HERE, &basic("alice", "old")).await.is_ok());
    assert!(authenticator.user(&new, HERE, &basic("alice", "old")).await.is_err());
    assert!(authenticator.user(&users(&[("bob", "old")]), HERE, &basic("alice", "old")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn guessing_is_slowed_down_and_known_logins_still_work() {
    let (authenticator, users) =
        (Arc::new(Authenticator::default()), users(&[("alice", "right"), ("bob", "his")]));
    let ask = |user: &str, password: &str| {
        let headers = basic(user, password);
        let (authenticator, users) = (&authenticator, &users);
        async move { authenticator.user(users, HERE, &headers).await.map_err(|it| it.status) }
    };
    assert!(ask("alice", "right").await.is_ok());
    for _ in 0..10 {
        assert_eq!(ask("alice", "wrong").await, Err(StatusCode::UNAUTHORIZED));
    }
    assert_eq!(ask("alice", "wrong").await, Err(StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(ask("bob", "his").await, Err(StatusCode::TOO_MANY_REQUESTS), "not even the right one");
    assert!(ask("alice", "right").await.is_ok(), "a remembered login is no guess");
    tokio::time::advance(Duration::from_secs(7)).await;
    assert!(ask("bob", "his").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn headers_that_are_no_login() {
    let (authenticator, users) = (Arc::new(Authenticator::default()), users(&[("alice", "right")]));
    for value in
        ["", "Basic", "Basic !", "Basic YWxpY2U=", "Bearer YWxpY2U6cmlnaHQ=", "YWxpY2U6cmlnaHQ=", "é"]
    {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let headers: HeaderMap = [(AUTHORIZATION, value)].into_iter().collect();
        let problem = authenticator.user(&users, HERE, &headers).await.unwrap_err();
        assert!(problem.detail.contains("are required"), "{headers:?}");
    }
    let lower: HeaderMap =
        [(AUTHORIZATION, HeaderValue::from_static("basic YWxpY2U6cmlnaHQ="))].into_iter().collect();
    assert!(authenticator.user(&users, HERE, &lower).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn each_login_that_is_checked_takes_the_same_work() {
    /// Rounds of bcrypt so far.
    static ROUNDS: AtomicU32 = AtomicU32::new(0);
    fn counted(run: BcryptRun<'_>, password: &[u8]) -> bool {
        let cost = match run {
            BcryptRun::Verify(hash) => hash.cost(),
            BcryptRun::Dummy(cost) => cost,
        };
        ROUNDS.fetch_add(1 << cost, Ordering::Relaxed);
        run.run(password)
    }
    let authenticator = Arc::new(Authenticator { bcrypt: counted, ..Authenticator::default() });
    let users = users_of_cost(&[("cheap", "hers", COST_MIN), ("costly", "his", COST_MIN + 2)]);
    let malformed = [(AUTHORIZATION, HeaderValue::from_static("Basic !"))].into_iter().collect();
    let work = 1 << (COST_MIN + 2);
    for (what, headers, is_let_in, rounds) in [
        ("a user with a cheap hash", basic("cheap", "hers"), true, work),
        ("a user with a costly hash", basic("costly", "his"), true, work),
        ("a wrong password for a cheap hash", basic("cheap", "his"), false, work),
        ("a wrong password for a costly hash", basic("costly", "hers"), false, work),
        ("no password", basic("costly", ""), false, work),
        ("an unknown user", basic("carol", "his"), false, work),
        ("no user", basic("", "his"), false, work),
        ("an unknown user again", basic("carol", "his"), false, work),
        ("a remembered user", basic("cheap", "hers"), true, 0),
        ("another remembered user", basic("costly", "his"), true, 0),
        ("a malformed header", malformed, false, 0),
        ("no header", HeaderMap::new(), false, 0),
    ] {
        let before = ROUNDS.load(Ordering::Relaxed);
        let user = authenticator.user(&users, HERE, &headers).await;
        assert_eq!((user.is_ok(), ROUNDS.load(Ordering::Relaxed) - before), (is_let_in, rounds), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_before_the_answer_guesses_no_faster() {
    /// Logins whose check began, and those whose check may end.
    static BEGAN: AtomicU32 = AtomicU32::new(0);
    static MAY_END: AtomicU32 = AtomicU32::new(0);
    fn held(run: BcryptRun<'_>, password: &[u8]) -> bool {
        let number = BEGAN.fetch_add(1, Ordering::Relaxed) + 1;
        while MAY_END.load(Ordering::Relaxed) < number {
            std::thread::yield_now();
        }
        run.run(password)
    }
    let authenticator = Arc::new(Authenticator { bcrypt: held, ..Authenticator::default() });
    let users = Arc::new(users(&[("alice", "right")]));
    for number in 1..=10 {
        let (own, users) = (Arc::clone(&authenticator), Arc::clone(&users));
        let login = tokio::spawn(async move { own.user(&users, HERE, &basic("alice", "wrong")).await });
        while BEGAN.load(Ordering::Relaxed) < number {
            tokio::task::yield_now().await;
        }
        login.abort();
        assert!(login.await.unwrap_err().is_cancelled());
        assert!(authenticator.working.try_lock().is_err(), "the next one waits");
        MAY_END.store(number, Ordering::Relaxed);
    }
    let problem = authenticator.user(&users, HERE, &basic("alice", "wrong")).await.unwrap_err();
    assert_eq!(problem.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(start_paused = true)]
async fn logins_of_one_client_that_wait_leave_places_for_others() {
    let (authenticator, users) = (Arc::new(Authenticator::default()), users(&[("alice", "right")]));
    let users = Arc::new(users);
    let one_works = Arc::clone(&authenticator.working).lock_owned().await;
    let ask = |client: u8| {
        let (own, users) = (Arc::clone(&authenticator), Arc::clone(&users));
        let client = IpAddr::from([192, 0, 2, client]);
        tokio::spawn(async move { own.user(&users, client, &basic("alice", "right")).await })
    };
    let waiting: Vec<_> = (0..WAITING_PER_CLIENT_MAX).map(|_| ask(1)).collect();
    let refused = ask(1).await.unwrap().unwrap_err();
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let other = ask(2);
    drop(one_works);
    for it in waiting.into_iter().chain([other]) {
        assert!(it.await.unwrap().is_ok());
    }
}

#[test]
fn hashes_are_those_of_exporter_toolkit() {
    // The example of exporter-toolkit's documentation has the password "fakepassword".
    let known = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
    assert!(bcrypt::verify("fakepassword", known).unwrap());
    assert!(hash_password("").is_err() && hash_password("a\0b").is_err());
    assert!(hash_password(&"x".repeat(72)).unwrap_err().contains("71 bytes"));
}

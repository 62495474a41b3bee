//! Tests the keeper of tokens with sources that fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

impl<F> TokenSource for F
where
    F: Fn() -> Result<Token, BoxError> + Send + Sync + 'static,
{
    fn token(&self) -> Result<Token, BoxError> {
        self()
    }
}

fn good(value: &str) -> Result<Token, BoxError> {
    Ok(Token::new(value, SystemTime::now() + HOUR))
}

/// A keeper that the test runs, and the state that clients see.
fn keeper(source: impl TokenSource) -> (Keeper, Tokens, Obstacles) {
    let (tell, latest) = watch::channel(Latest::default());
    let obstacles = Obstacles::default();
    let keeper = Keeper {
        source: Arc::new(source),
        tell,
        obstacles: obstacles.clone(),
    };
    let tokens = Tokens {
        latest,
        deadline: Instant::now() + HOUR,
        obstacles: obstacles.clone(),
        _held: Arc::new(channel().0),
    };
    (keeper, tokens, obstacles)
}

fn told(tokens: &Tokens) -> String {
    answer(Some(tokens)).err().unwrap().to_string()
}

#[test]
fn a_source_that_fails_is_told_and_what_it_brought_before_goes_on() {
    let calls = AtomicUsize::new(0);
    let (keeper, tokens, obstacles) = keeper(move || match calls.fetch_add(1, Ordering::SeqCst) {
        0 | 3 => Err("token service away".into()),
        1 => panic!("as the test asked"),
        _ => good("hunter2"),
    });
    assert!(tokens.is_first_awaited());
    assert_eq!(obstacles.list(), []);
    assert!(told(&tokens).contains("not answered yet"));
    // A hanging source is an obstacle as soon as a client needs a token.
    assert!(obstacles.list()[0].cause.contains("not answered yet"));
    for cause in ["token service away", "panicked"] {
        assert_eq!(keeper.ask(), RETRY_WAIT);
        assert!(!tokens.is_first_awaited());
        assert!(told(&tokens).contains(cause), "{}", told(&tokens));
        let list = obstacles.list();
        assert!(list[0].blocked == Blocked::Login && list[0].cause.contains(cause));
    }
    let wait = keeper.ask();
    assert!(
        wait > HOUR / 2 && wait < HOUR,
        "before the token's end: {wait:?}"
    );
    let token = tokens.current().ok().unwrap();
    assert_eq!(token.token, "hunter2");
    assert_eq!(obstacles.list(), []);

    assert_eq!(keeper.ask(), RETRY_WAIT);
    assert!(tokens.current().is_ok(), "it is good for an hour");
    assert_eq!(obstacles.list(), []);
}

#[test]
fn a_token_that_is_of_no_use_is_refused_and_not_repeated() {
    let past = SystemTime::now() - HOUR;
    let later = SystemTime::now() + HOUR;
    for (value, expires) in [
        ("hunter2\0", later),
        ("hunter2\n", later),
        ("hunter2 \u{e9}", later),
        ("", later),
        ("hunter2", past),
    ] {
        let token = Token::new(value, expires);
        assert!(!format!("{token:?}").contains("hunter2"));
        let (keeper, tokens, obstacles) = keeper(move || Ok(token.clone()));
        assert_eq!(keeper.ask(), RETRY_WAIT);
        let told = format!("{} {:?} {tokens:?}", told(&tokens), obstacles.list());
        assert!(told.contains("the token"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let (keeper, tokens, _) = keeper(|| good("hunter2"));
    keeper.ask();
    assert!(!format!("{tokens:?}").contains("hunter2"));
    assert!(told_without_source().contains("Builder::token_source"));
}

fn told_without_source() -> String {
    answer(None).err().unwrap().to_string()
}

#[test]
fn the_source_is_dropped_with_the_last_client() {
    let (alive, dropped) = mpsc::channel::<()>();
    let source = move || {
        let _ = &alive;
        good("hunter2")
    };
    let tokens = Tokens::start(Arc::new(source), Obstacles::default()).unwrap();
    let clone = tokens.clone();
    drop(tokens);
    let first = dropped.recv_timeout(Duration::from_millis(10));
    assert_eq!(first, Err(RecvTimeoutError::Timeout), "a client is left");
    drop(clone);
    let end = dropped.recv_timeout(Duration::from_secs(60));
    assert_eq!(end, Err(RecvTimeoutError::Disconnected));
}

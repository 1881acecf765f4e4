use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

use crate::Credentials;

/// How a client without credentials is asked for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// `WWW-Authenticate: Basic`: simple; a client without credentials cannot pull anything.
    Basic,
    /// `WWW-Authenticate: Bearer`, with a token endpoint at `/v2/token` (Docker registry token authentication).
    /// Clients without credentials get an anonymous token. Basic credentials are taken too, when a client sends them
    /// unasked.
    Bearer {
        /// `https://sluice.example.org`, where clients reach the registry; none means as the client's Host header says.
        public_url: Option<String>,
    },
}

impl Default for Challenge {
    fn default() -> Self {
        Self::Bearer { public_url: None }
    }
}

/// How long a token stands for the credentials that it was given for. Short-lived credentials may end sooner: they
/// are checked again with every request.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// Past so many, the oldest tokens are forgotten.
const TOKENS_KEPT: usize = 50_000;
/// What a client without credentials is given, so that it has something to send.
const ANONYMOUS: &str = "anonymous";

/// Tokens that stand for credentials, in memory: a restart makes clients ask again.
pub(crate) struct Tokens {
    pub challenge: Challenge,
    random: SystemRandom,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    credentials: HashMap<String, (Credentials, Instant)>,
    oldest_first: VecDeque<String>,
}

/// What a bearer token turned out to be.
pub(crate) enum Shown {
    Anonymous,
    Credentials(Credentials),
}

impl Tokens {
    pub fn new(challenge: Challenge) -> Self {
        Self { challenge, random: SystemRandom::new(), known: Mutex::default() }
    }

    /// A new token for these credentials; none when the system has no randomness to give.
    pub fn issue(&self, credentials: Option<Credentials>, now: Instant) -> Option<String> {
        let Some(credentials) = credentials else { return Some(ANONYMOUS.to_owned()) };
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes).ok()?;
        let mut token = String::with_capacity(64);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        let mut known = self.lock();
        while known.oldest_first.len() >= TOKENS_KEPT {
            if let Some(oldest) = known.oldest_first.pop_front() {
                known.credentials.remove(&oldest);
            }
        }
        known.oldest_first.push_back(token.clone());
        known.credentials.insert(token.clone(), (credentials, now + TOKEN_LIFE));
        Some(token)
    }

    /// What a bearer token stands for. One that is not ours is handed to the server as it is.
    pub fn look_up(&self, token: &str, now: Instant) -> Shown {
        if token == ANONYMOUS {
            return Shown::Anonymous;
        }
        match self.lock().credentials.get(token) {
            Some((credentials, until)) if now < *until => Shown::Credentials(credentials.clone()),
            _ => Shown::Credentials(Credentials::Bearer { token: token.to_owned() }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // Both halves are whole at every moment, whoever panicked while holding them.
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(name: &str) -> Credentials {
        Credentials::Basic { username: name.to_owned(), password: "secret".to_owned() }
    }

    #[test]
    fn a_token_stands_for_its_credentials_until_it_ends() {
        let tokens = Tokens::new(Challenge::default());
        let now = Instant::now();
        let token = tokens.issue(Some(basic("ann")), now).unwrap();
        assert!(matches!(tokens.look_up(&token, now), Shown::Credentials(shown) if shown == basic("ann")));
        let later = tokens.look_up(&token, now + TOKEN_LIFE);
        assert!(matches!(later, Shown::Credentials(Credentials::Bearer { .. })));
        let anonymous = tokens.issue(None, now).unwrap();
        assert!(matches!(tokens.look_up(&anonymous, now), Shown::Anonymous));
    }

    #[test]
    fn the_oldest_tokens_are_forgotten() {
        let tokens = Tokens::new(Challenge::default());
        let now = Instant::now();
        let first = tokens.issue(Some(basic("first")), now).unwrap();
        for _ in 0..TOKENS_KEPT {
            tokens.issue(Some(basic("next")), now).unwrap();
        }
        assert!(matches!(tokens.look_up(&first, now), Shown::Credentials(Credentials::Bearer { .. })));
        assert_eq!(tokens.lock().credentials.len(), TOKENS_KEPT);
    }
}

//! A wish to stop, made by a signal: no more changes are started from then on.

use tokio::sync::watch;

/// Tells whether a stop was asked for; clones share the answer.
#[derive(Clone, Debug)]
pub struct Stop {
    asked: watch::Receiver<bool>,
}

/// The end that asks.
#[derive(Debug)]
pub struct Stopper {
    ask: watch::Sender<bool>,
}

/// A pair of ends.
pub fn channel() -> (Stopper, Stop) {
    let (ask, asked) = watch::channel(false);
    (Stopper { ask }, Stop { asked })
}

impl Stopper {
    /// Asks for a stop. Returns whether it had been asked for already.
    pub fn ask(&self) -> bool {
        self.ask.send_replace(true)
    }
}

impl Stop {
    /// Whether a stop was asked for.
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until a stop is asked for; for ever if nobody can ask any more.
    pub async fn asked(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

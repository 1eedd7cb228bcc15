//! The action's binary: the only reader of the environment, the clock, the signals and the exit
//! code.

use std::{io, process::ExitCode, rc::Rc};

use tidy_packages::{clock::SystemClock, inputs::Environment, report::Status, run, stop, tell::log::Log};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    let variables = std::env::vars_os();
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "--version") {
        return version();
    }
    let environment = Environment::new(variables, std::env::current_dir().unwrap_or_default());
    let in_actions = environment.get("GITHUB_ACTIONS") == Some("true");
    let debug = environment.get("RUNNER_DEBUG") == Some("1");
    let log = Rc::new(Log::new(Box::new(io::stdout()), in_actions, debug));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log.error(&format!("the machine does not let the program start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let status = runtime.block_on(async {
        let (stopper, stop) = stop::channel();
        // before the first request, so that a cancelled run always tells what it did
        if let Err(error) = listen(stopper) {
            log.warning(&format!("signals cannot be handled, so a cancelled run ends without a report: {error}"));
        }
        run(&environment, Rc::new(SystemClock::start()), stop, Rc::clone(&log)).await
    });
    match status {
        Status::Complete | Status::Partial => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Asks for a stop at the first SIGINT or SIGTERM, and ends the process at the second.
fn listen(stopper: stop::Stopper) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stopper.ask() {
                #[expect(clippy::disallowed_methods, reason = "a second signal means now")]
                std::process::exit(1);
            }
        }
    });
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn version() -> ExitCode {
    println!("tidy-packages {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}

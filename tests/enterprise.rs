//! Other servers than github.com, and networks that are not the open internet: hosts that follow from
//! the API's, proxies, authorities of a company's own. A tunnel on loopback stands for the proxy, and
//! every host behind it is the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

mod runner;
mod simulator;

use runner::{Ended, Step};
use simulator::{GitHub, Simulator, Token, images};

/// As long as GitHub's newest tokens, with all the characters they have.
fn long_token() -> String {
    format!("ghs_1234567_{}.{}-_{}", "a".repeat(200), "B".repeat(200), "9".repeat(100))
}

/// A proxy that takes `CONNECT` to any host, and is that host itself: it ends TLS with a certificate of
/// an authority of its own, and hands what it reads to the simulator.
struct Tunnel {
    address: String,
    folder: TempDir,
    /// The heads of the requests it got, as they came.
    heads: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Tunnel {
    /// `password` is what it asks for, as `Proxy-Authorization` has it.
    fn start(hosts: &[&str], simulator: &Simulator, password: Option<&'static str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(folder.path().join("ca.pem"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let registry = simulator.registry_url();
        let target = registry.strip_prefix("http://").unwrap().to_owned();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (told, (stop, stopped)) = (Arc::clone(&heads), oneshot::channel());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let serve = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let (acceptor, target, told) = (acceptor.clone(), target.clone(), Arc::clone(&told));
                        // a client that turns away ends its own connection only
                        tokio::spawn(async move { serve(stream, acceptor, target, told, password).await.ok() });
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        });
        Self { address, folder, heads, stop: Some(stop), thread: Some(thread) }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The hosts that were asked for.
    fn hosts(&self) -> BTreeSet<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.split(' ').nth(1).unwrap_or_default().to_owned()).collect()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().map(thread::JoinHandle::join);
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    target: String,
    told: Arc<Mutex<Vec<String>>>,
    password: Option<&str>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    // without a proxy the first byte is that of a TLS handshake (RFC 8446, section 5.1)
    if stream.fill_buf().await?.first() != Some(&22) {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let is_let_in = password.is_none_or(|password| head.contains(password));
        told.lock().unwrap().push(head);
        let answer: &[u8] = match is_let_in {
            true => b"HTTP/1.1 200 Connection established\r\n\r\n",
            false => b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        };
        stream.write_all(answer).await?;
        if !is_let_in {
            return Ok(());
        }
    }
    let mut plain = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(target).await?;
    copy_bidirectional(&mut plain, &mut server).await?;
    Ok(())
}

/// A server with an image of a release and one of a pull request that share a platform.
fn simulator(token: &str, api_url: &str, registry: &str, prefix: &str) -> Simulator {
    let world = GitHub::new()
        .organization("octo-org")
        .token(token, Token::workflow())
        .package("octo-org", "container", "app", images("v1[v1] 90 -> amd,arm · pr[pr-1] 60 -> amd,extra"))
        .prefix(prefix);
    let simulator = Simulator::start(world);
    // the server knows itself by the name that others know it by
    api_url.clone_into(&mut simulator.github().url);
    simulator.github().realm = Some(format!("https://{registry}/token"));
    simulator
}

fn clean_up(api_url: &str) -> Step {
    Step::new(api_url).inputs("tags=pr-.* older-than=14d")
}

#[track_caller]
fn went_well(ended: &Ended, simulator: &Simulator) {
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!((ended.output("deleted"), ended.output("kept")), ("2", "3"), "{}", ended.log);
    assert!(simulator.github().broken_images().is_empty());
}

#[test]
fn the_registry_follows_from_the_api_and_the_token_goes_to_these_two_hosts_only() {
    for (api_url, registry, prefix) in [
        ("https://api.github.com", "ghcr.io", ""),
        ("https://api.octo.ghe.com", "containers.octo.ghe.com", ""),
        ("https://github.example.com/api/v3", "containers.github.example.com", "/api/v3"),
    ] {
        let api = api_url.split('/').nth(2).unwrap();
        let simulator = simulator(&long_token(), api_url, registry, prefix);
        let tunnel = Tunnel::start(&[api, registry], &simulator, None);
        let step = clean_up(api_url)
            .input("token", &long_token())
            .variable("HTTPS_PROXY", &format!("http://{}", tunnel.address))
            .variable("SSL_CERT_FILE", &tunnel.authority().to_string_lossy());
        let ended = step.run();
        went_well(&ended, &simulator);
        let expected = [format!("{api}:443"), format!("{registry}:443")];
        assert_eq!(tunnel.hosts(), expected.into_iter().collect(), "{api_url}");
        let heads = tunnel.heads.lock().unwrap().concat();
        assert!(!heads.contains(&long_token()), "the proxy sees no token: {heads}");
        // the runner masks the token from here on; nothing else names it
        let written = ended.everything_written().replace(&format!("::add-mask::{}", long_token()), "");
        assert!(!written.contains(&long_token()), "{written}");
    }
}

#[test]
fn a_proxy_may_ask_for_a_password_and_its_variable_may_be_in_lower_case() {
    let simulator = simulator(runner::TOKEN, "https://api.github.com", "ghcr.io", "");
    // the base64 of proxy:pass-4711
    let tunnel = Tunnel::start(&["api.github.com", "ghcr.io"], &simulator, Some("Basic cHJveHk6cGFzcy00NzEx"));
    let authority = tunnel.authority().to_string_lossy().into_owned();
    let step = |user: &str| {
        clean_up("https://api.github.com")
            .variable("https_proxy", &format!("http://{user}{}", tunnel.address))
            .variable("SSL_CERT_FILE", &authority)
    };
    let ended = step("proxy:pass-4711@").run();
    went_well(&ended, &simulator);
    assert!(!ended.everything_written().contains("pass-4711"));
}

#[test]
fn what_no_proxy_names_is_reached_directly() {
    let simulator = simulator(runner::TOKEN, "https://api.github.com", "127.0.0.1", "");
    let tunnel = Tunnel::start(&["127.0.0.1"], &simulator, None);
    let api_url = format!("https://{}", tunnel.address);
    simulator.github().url.clone_from(&api_url);
    simulator.github().realm = Some(format!("{api_url}/token"));
    let step = clean_up(&api_url)
        .input("registry-url", &api_url)
        .variable("HTTPS_PROXY", "http://127.0.0.1:9")
        .variable("NO_PROXY", "localhost,127.0.0.1")
        .variable("SSL_CERT_FILE", &tunnel.authority().to_string_lossy());
    went_well(&step.run(), &simulator);
    assert!(tunnel.hosts().is_empty(), "no proxy was asked");
}

#[test]
fn an_unknown_authority_is_told_at_once_with_the_way_out_and_gets_nothing() {
    let simulator = simulator(runner::TOKEN, "https://api.github.com", "ghcr.io", "");
    let tunnel = Tunnel::start(&["api.github.com"], &simulator, None);
    let another = Tunnel::start(&["api.github.com"], &simulator, None);
    let step = clean_up("https://api.github.com")
        .variable("HTTPS_PROXY", &format!("http://{}", tunnel.address))
        .variable("SSL_CERT_FILE", &another.authority().to_string_lossy());
    let ended = step.run();
    assert_eq!(ended.code, Some(1));
    for word in ["not trusted", "SSL_CERT_FILE: /github/workspace/ca.pem", "invalid peer certificate"] {
        assert!(ended.log.contains(word), "{word}: {}", ended.log);
    }
    assert_eq!(tunnel.heads.lock().unwrap().len(), 1, "asked again though it cannot help: {}", ended.log);
    assert_eq!(simulator.requests().len(), 0);
}

#[test]
fn a_certificate_for_another_host_is_not_trusted() {
    let simulator = simulator(runner::TOKEN, "https://api.github.com", "ghcr.io", "");
    let tunnel = Tunnel::start(&["example.com"], &simulator, None);
    let step = clean_up("https://api.github.com")
        .variable("HTTPS_PROXY", &format!("http://{}", tunnel.address))
        .variable("SSL_CERT_FILE", &tunnel.authority().to_string_lossy());
    let ended = step.run();
    assert_eq!((ended.code, ended.output("status")), (Some(1), "failed"), "{}", ended.log);
    assert!(ended.log.contains("not trusted") && simulator.requests().is_empty(), "{}", ended.log);
}

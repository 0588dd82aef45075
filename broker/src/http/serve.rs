//! One HTTP connection: hyper with deadlines of our own.
//!
//! hyper's deadline covers headers that were begun. A connection that says
//! nothing at all, before its first request or between two, is ours to end.

use std::convert::Infallible;
use std::future::{Future, Ready, poll_fn, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::future::Either;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::asked::Asked;
use super::lease::{END_WITHIN, Lease, Told, Watch};
use super::problem::Problem;
use super::upgrade::{self, Agreed};
use super::{Door, Origins, routes};
use super::{absent, cors, forwarded, http2};
use crate::connection::Services;
use crate::metrics::{Hits, Limit};
use crate::outside::select;
use crate::settings::Listener;
use crate::shutdown::Shutdown;
use crate::transport::admission::Proxies;
use crate::transport::{Socket, tls};

/// hyper takes no smaller buffer.
const BUFFER_BYTES_MIN: usize = 8 * 1024;
/// What comes of a refused body is thrown away so long, ...
const LINGER: Duration = Duration::from_secs(2);
/// ... in pieces of so many bytes.
const LINGER_BYTES: usize = 4 * 1024;

/// How long and how much one connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// From the first byte of a request to the end of its headers.
    pub headers: Duration,
    /// Without any request.
    pub idle: Duration,
    /// Bytes of a request's headers.
    pub header_bytes: usize,
}

/// What one listener answers, made once for all its connections.
#[derive(Debug)]
pub struct Site {
    routes: TowerToHyperService<Router>,
    door: Option<Arc<Door>>,
    /// As which host a listener without a door is known.
    origins: Origins,
    deadlines: Deadlines,
    shutdown: Arc<Shutdown>,
    hits: Hits,
    /// These say for whom they ask.
    proxies: Proxies,
    /// They do so before TLS or HTTP begins.
    announced: bool,
}

/// The answer to one request: WebSockets are answered at once, all else by the routes.
type Answer = Result<Response<Body>, Infallible>;
type Answers = Either<Ready<Answer>, Pin<Box<dyn Future<Output = Answer> + Send>>>;

impl Site {
    /// The public listener: WebSockets, the page, and what services ask.
    pub fn public(door: Arc<Door>, deadlines: Deadlines, proxies: Proxies) -> Arc<Site> {
        let (routes, shutdown) = (TowerToHyperService::new(routes(door.clone())), door.services.shutdown.clone());
        let announced = door.services.settings.proxies.proxy_protocol.contains(&Listener::Http);
        let hits = door.services.metrics.hits().clone();
        Arc::new(Site {
            routes,
            door: Some(door),
            origins: Origins::default(),
            deadlines,
            shutdown,
            hits,
            proxies,
            announced,
        })
    }

    /// A listener that answers these routes only, to whoever asks for a host of `origins`; `there_is` names the routes to
    /// whoever asks for another.
    pub fn plain(
        routes: Router,
        there_is: &'static str,
        origins: Origins,
        deadlines: Deadlines,
        services: &Services,
    ) -> Arc<Site> {
        let routes = TowerToHyperService::new(absent::told(routes, there_is));
        let (shutdown, hits) = (services.shutdown.clone(), services.metrics.hits().clone());
        let proxies = Proxies::default();
        Arc::new(Site { routes, door: None, origins, deadlines, shutdown, hits, proxies, announced: false })
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        activity: &Arc<Activity>,
        (peer, is_secure): (SocketAddr, bool),
    ) -> Answers {
        match self.asked(&request, peer, is_secure) {
            Ok(asked) => drop(request.extensions_mut().insert(asked)),
            Err(problem) => {
                activity.touch();
                if !request.body().is_end_stream() {
                    activity.lingers.store(true, Ordering::Relaxed);
                }
                return Either::Left(ready(Ok(problem.into_response())));
            }
        }
        let way = self.door.as_deref().and_then(|door| Some((door, upgrade::way(door, request.uri().path())?)));
        if let Some((door, way)) = way {
            activity.touch();
            let (response, agreed) = upgrade::answer(door, way, &request);
            if let Some(agreed) = agreed {
                // hyper takes no request behind one that was answered so: this is the first and the last.
                let _ = activity.agreed.set((agreed, forwarded::asker(&self.proxies, peer, request.headers())));
            }
            return Either::Left(ready(Ok(response)));
        }
        let asker = forwarded::asker(&self.proxies, peer, request.headers());
        request.extensions_mut().insert(asker);
        let has_body = !request.body().is_end_stream();
        // SockJS has to learn that its peer has gone.
        let may_break_off = request.method().is_safe() || request.uri().path().starts_with("/ws/");
        let (answering, answer) = (Answering::begin(activity), self.routes.call(request));
        let answer = if may_break_off { Either::Right(answer) } else { Either::Left(whole(answer)) };
        // An answer that streams is being answered until its end.
        Either::Right(Box::pin(async move {
            let mut response = answer.await?;
            let lease = response.extensions_mut().remove::<Lease>();
            let told = || Told { connection: answering.0.over.clone(), stream: http2::own_stream() };
            let watch = lease.map(|lease| lease.watch(told()));
            if has_body && !response.status().is_success() {
                answering.0.lingers.store(true, Ordering::Relaxed);
            }
            Ok(response.map(|body| Body::new(Streamed { body, _answering: answering, watch })))
        }))
    }

    /// Where a request believes it is, if it can be here.
    fn asked(&self, request: &Request<Incoming>, peer: SocketAddr, is_secure: bool) -> Result<Asked, Problem> {
        let scheme = forwarded::scheme(&self.proxies, self.announced, peer, request.headers(), is_secure);
        let asked = Asked::of(request, scheme)?;
        let expected = match &self.door {
            Some(door) => door.origins.expect(&asked),
            None => self.origins.show(request.headers(), &asked),
        };
        expected.map(|()| asked).map_err(cors::misdirected)
    }
}

/// Answers a request that changes something in a task of its own. hyper forgets a request when its peer goes away, even
/// if that peer has sent all of it; what came whole is seen to its end.
fn whole(answer: impl Future<Output = Answer> + Send + 'static) -> impl Future<Output = Answer> + Send {
    // Begun here and now: a peer may be gone before its request is looked at for the first time.
    let answer = tokio::spawn(answer);
    async { answer.await.unwrap_or_else(|_| Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response())) }
}

/// When something was last asked on a connection, how much is being answered, and what it becomes.
#[derive(Debug)]
pub(super) struct Activity {
    born: Instant,
    last_millis: AtomicU64,
    answering: AtomicU32,
    /// A body was refused, and may still be on its way.
    lingers: AtomicBool,
    agreed: OnceLock<(Agreed, SocketAddr)>,
    /// Told when somebody may not have any more what they are given.
    pub(super) over: Arc<Notify>,
}

/// Something is being answered as long as this lives.
struct Answering(Arc<Activity>);

impl Answering {
    fn begin(activity: &Arc<Activity>) -> Answering {
        activity.answering.fetch_add(1, Ordering::Relaxed);
        Answering(activity.clone())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.touch();
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Somebody may not have any more what they are given.
#[derive(Debug, thiserror::Error)]
#[error("whoever asked may not read this any more")]
struct Over;

/// A body that is being answered until its end.
struct Streamed {
    body: Body,
    _answering: Answering,
    watch: Option<Watch>,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(None) if self.watch.as_ref().is_some_and(Watch::takes_back) => {
                Poll::Ready(Some(Err(axum::Error::new(Over))))
            }
            polled => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Activity {
    fn new() -> Arc<Activity> {
        Arc::new(Activity {
            born: Instant::now(),
            last_millis: AtomicU64::new(0),
            answering: AtomicU32::new(0),
            lingers: AtomicBool::new(false),
            agreed: OnceLock::new(),
            over: Arc::default(),
        })
    }

    fn touch(&self) {
        let millis = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_millis.store(millis.max(1), Ordering::Relaxed);
    }

    /// Whether anything was ever asked.
    fn was_asked(&self) -> bool {
        self.last_millis.load(Ordering::Relaxed) > 0 || self.agreed.get().is_some()
    }

    /// When the connection has been idle for too long, if nothing is asked until then.
    pub(super) fn idle_until(&self, idle: Duration) -> Option<Instant> {
        let last = self.born + Duration::from_millis(self.last_millis.load(Ordering::Relaxed));
        (self.answering.load(Ordering::Relaxed) == 0).then(|| last + idle)
    }
}

/// Serves one connection until it ends or is idle for too long. One that is
/// upgraded goes on in a task of its own, which holds nothing of HTTP.
pub async fn serve(site: Arc<Site>, stream: Socket, peer: SocketAddr) {
    let (deadlines, activity) = (site.deadlines, Activity::new());
    let from = (peer, stream.is_secure());
    let answer = {
        let (site, activity) = (site.clone(), activity.clone());
        service_fn(move |request| site.answer(request, &activity, from))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(deadlines.headers)
        .max_buf_size(deadlines.header_bytes.max(BUFFER_BYTES_MIN))
        .serve_connection(TokioIo::new(stream), answer);
    let served = loop {
        let until = activity.idle_until(deadlines.idle).unwrap_or_else(|| Instant::now() + deadlines.idle);
        select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => break served,
            () = site.shutdown.begun() => {
                Pin::new(&mut connection).graceful_shutdown();
                let rest = poll_fn(|context| connection.poll_without_shutdown(context));
                match tokio::time::timeout(deadlines.idle, rest).await {
                    Ok(served) => break served,
                    Err(_) => return close(connection.into_parts().io.into_inner()).await,
                }
            }
            () = activity.over.notified() => {
                Pin::new(&mut connection).graceful_shutdown();
                let rest = poll_fn(|context| connection.poll_without_shutdown(context));
                match tokio::time::timeout(END_WITHIN, rest).await {
                    Ok(served) => break served,
                    // What waits here for a reader is not for them any more.
                    Err(_) => return,
                }
            }
            () = tokio::time::sleep_until(until) => {
                if activity.idle_until(deadlines.idle).is_some_and(|until| until <= Instant::now()) {
                    if !activity.was_asked() {
                        site.hits.hit(Limit::UpgradeTimeout);
                    }
                    return close(connection.into_parts().io.into_inner()).await;
                }
            }
        }
    };
    if let Err(error) = &served {
        let limit = if error.is_timeout() { Some(Limit::HeaderTimeout) } else { None };
        let limit = limit.or(error.is_parse_too_large().then_some(Limit::HeaderBytesMax));
        limit.into_iter().for_each(|limit| site.hits.hit(limit));
    }
    let (agreed, parts) = (activity.agreed.get().filter(|_| served.is_ok()), connection.into_parts());
    let stream = parts.io.into_inner();
    // A broken request or a vanished peer is the peer's affair; hyper has answered what it could.
    if served.is_ok() && activity.lingers.load(Ordering::Relaxed) {
        linger(stream).await;
    } else if let (Some(door), Some((agreed, asker))) = (&site.door, agreed) {
        upgrade::converse(door, agreed.clone(), stream, *asker, &parts.read_buf);
    } else if served.is_err() && http2::begins(&parts.read_buf) {
        let answer = |request| site.answer(request, &activity, from);
        // Boxed: what few need does not make every connection larger.
        Box::pin(http2::serve(stream, parts.read_buf, deadlines, &activity, &site.shutdown, answer)).await;
    } else {
        if !stream.is_secure() && tls::is_hello(&parts.read_buf) {
            tls::log_misdirected("http", peer);
        }
        close(stream).await;
    }
}

/// Says under TLS that nothing more follows: without it, what was said could have been cut short on the way.
async fn close(mut stream: Socket) {
    if stream.is_secure() {
        // However it ends, nothing more is owed.
        let _ = tokio::time::timeout(LINGER, stream.shutdown()).await;
    }
}

/// Closes behind a refusal. A socket that is closed with bytes unread tells its peer to forget what it was sent, and
/// a client that is still sending would never learn why it was refused.
async fn linger(mut stream: Socket) {
    let unread = async {
        stream.shutdown().await?;
        let mut piece = vec![0; LINGER_BYTES];
        while stream.read(&mut piece).await? > 0 {}
        std::io::Result::Ok(())
    };
    // However it ends, nothing more is owed.
    let _ = tokio::time::timeout(LINGER, unread).await;
}

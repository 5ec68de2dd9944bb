//! The fault switch over HTTP, at an address of its own: the server's is refused when that is the fault.

use core::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::Shared;
use super::fault::Plan;
use super::http::is_local;

/// Accepts as long as the server lives.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&shared)));
            // A caller that hangs up in the middle is its own business.
            let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match (request.method(), request.uri().path()) {
        _ if !is_local(request.headers()) => (StatusCode::FORBIDDEN, "ask 127.0.0.1, localhost or [::1]".to_owned()),
        (&Method::GET, "/fault") => (StatusCode::OK, shared.plan.borrow().to_string()),
        (&Method::GET, "/requests") => {
            let counts = shared.requests().iter().map(|(operation, count)| format!("{operation} {count}\n")).collect();
            (StatusCode::OK, counts)
        }
        (&Method::PUT, "/fault") => {
            let body = Limited::new(request.into_body(), LONGEST).collect().await.map(|body| body.to_bytes());
            let words = body.ok().and_then(|body| String::from_utf8(body.to_vec()).ok()).unwrap_or_default();
            match words.parse::<Plan>() {
                Ok(plan) => {
                    let said = plan.to_string();
                    shared.set(plan).await;
                    (StatusCode::OK, said)
                }
                Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            }
        }
        _ => (StatusCode::NOT_FOUND, "GET or PUT /fault, GET /requests".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text.trim_end().to_owned() + "\n")));
    *response.status_mut() = status;
    Ok(response)
}

const LONGEST: usize = 1024;

use hyper::client::conn::http1;
use hyper::header::UPGRADE;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use crate::answer::Problem;
use crate::forward::{Forwarder, Patience};
use crate::headers;
use crate::link::{dial, text};
use crate::route::Route;
use crate::stream::{Driver, Inbound, Outbound, Relay};
use crate::upstream::InFlight;

/// Asks an instance to change protocols, as WebSockets do (RFC 6455), and joins the two connections when it agrees.
///
/// # Errors
/// When no instance takes the connection, or the one that took it does not answer.
pub async fn open(
    forwarder: &Forwarder,
    route: &Route,
    request: Request<Inbound>,
    client_side: OnUpgrade,
) -> Result<Response<Outbound>, Problem> {
    let mut patience = Patience::new(&forwarder.limits);
    let mut avoid = None;
    let (in_flight, stream) = loop {
        let Some(in_flight) = route.enter(avoid) else { return Err(Problem::NoInstance) };
        let address = in_flight.upstream.address;
        match dial(address, forwarder.limits.connect).await {
            Ok(stream) => break (in_flight, stream),
            Err(error) => {
                in_flight.upstream.set_down(true);
                avoid = Some(address);
                drop(in_flight);
                patience.wait(Problem::Refused { reason: error.to_string() }).await?;
                route.count_retry();
            }
        }
    };
    let broken = |error: hyper::Error| Problem::Broken { reason: text(&error) };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move {
        // Its errors arrive with the response or with the upgraded stream.
        let _ = connection.with_upgrades().await;
    });
    let mut response = tokio::time::timeout(forwarder.limits.response, sender.send_request(request))
        .await
        .map_err(|_| Problem::TimedOut { seconds: forwarder.limits.response.as_secs() })?
        .map_err(broken)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(forwarder
            .relay(response, |body| Relay::new(body, Driver::Elsewhere, in_flight, forwarder.worker)));
    }
    let protocol = response.headers().get(UPGRADE).cloned();
    let instance_side = hyper::upgrade::on(&mut response);
    let mut answer = Response::new(Outbound::Own(http_body_util::Full::default()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    headers::strip_hop_by_hop(answer.headers_mut());
    if let Some(protocol) = protocol {
        headers::set_upgrade(answer.headers_mut(), protocol);
    }
    tokio::spawn(join(client_side, instance_side, in_flight.into_tunnel()));
    Ok(answer)
}

/// Copies both ways until one side ends, or the instance's tunnels are cut.
async fn join(client_side: OnUpgrade, instance_side: OnUpgrade, in_flight: InFlight) {
    let mut cuts = in_flight.upstream.cuts();
    let copy = async {
        let (Ok(client), Ok(instance)) = (client_side.await, instance_side.await) else { return };
        let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
        // Either side may simply go away: that is how tunnels end.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut instance).await;
    };
    tokio::select! {
        () = copy => {}
        _ = cuts.changed() => {}
    }
}

//! What the demo's second and third version change of the sample.

use super::sample::Checkout;

/// What is not for a demo: to ask an advisory database on the network, and to make the base images anew, which are there.
pub fn stay_on_this_machine(checkout: &Checkout) -> anyhow::Result<()> {
    checkout.replace("ci/common.sh", "AUDIT=${AUDIT:-on}", "AUDIT=${AUDIT:-off}")?;
    checkout.remove(".github/workflows/base-images.yml")
}

/// A second version: another greeting.
pub fn improve(checkout: &Checkout) -> anyhow::Result<()> {
    checkout.replace("VERSION", "1.0.0", "1.1.0")?;
    for file in ["api/src/config.rs", "e2e/tests/storefront.spec.ts", "sluice.yaml"] {
        checkout.replace_all(file, "Welcome to the storefront", "Come in and look around")?;
    }
    Ok(())
}

/// A third version with a fault that no test meets: it leaks, and is not well any more after some hundred requests.
/// Only production gets that many.
pub fn break_it(checkout: &Checkout) -> anyhow::Result<()> {
    checkout.replace("VERSION", "1.1.0", "1.2.0")?;
    checkout.replace(
        "api/src/routes/about.rs",
        "    Json(json!({ \"greeting\": shop.greeting }))\n",
        concat!(
            "    super::health::LEAKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);\n",
            "    Json(json!({ \"greeting\": shop.greeting }))\n",
        ),
    )?;
    checkout.replace(
        "api/src/routes/health.rs",
        "/// It can serve: PostgreSQL and Redis answer.\npub async fn readyz(State(shop): State<Shared>) -> Result<&'static str, Problem> {\n",
        concat!(
            "/// Connections that the greeting never gave back.\n",
            "pub static LEAKED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);\n\n",
            "/// It can serve: PostgreSQL and Redis answer.\n",
            "pub async fn readyz(State(shop): State<Shared>) -> Result<&'static str, Problem> {\n",
            "    if LEAKED.load(std::sync::atomic::Ordering::Relaxed) > 300 {\n",
            "        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, \"no connection is left\"));\n",
            "    }\n",
        ),
    )
}

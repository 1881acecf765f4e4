//! What the demo's second and third version change of the sample.

use super::sample::Checkout;

/// A second version: another greeting.
pub fn improve(checkout: &Checkout) -> anyhow::Result<()> {
    checkout.replace("VERSION", "1.0.0", "1.1.0")?;
    for file in ["api/src/config.rs", "e2e/open.sh", "sluice.yaml"] {
        let (from, to) = ("Welcome to the storefront", "Come in and look around");
        let path = checkout.path().join(file);
        let text = std::fs::read_to_string(&path)?;
        anyhow::ensure!(text.contains(from), "{file} of the sample does not greet");
        std::fs::write(&path, text.replace(from, to))?;
    }
    Ok(())
}

/// A third version with a fault that no test meets: it leaks, and is not well any more after some hundred requests.
/// Only production gets that many.
pub fn break_it(checkout: &Checkout) -> anyhow::Result<()> {
    checkout.replace("VERSION", "1.1.0", "1.2.0")?;
    checkout.replace(
        "api/src/routes.rs",
        "    Json(json!({ \"greeting\": config.greeting }))\n",
        "    LEAKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);\n    Json(json!({ \"greeting\": config.greeting }))\n",
    )?;
    checkout.replace(
        "api/src/routes.rs",
        "async fn healthz() -> &'static str {\n    \"ok\\n\"\n}\n",
        concat!(
            "/// Connections that the greeting never gave back.\n",
            "static LEAKED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);\n\n",
            "async fn healthz() -> Result<&'static str, (axum::http::StatusCode, &'static str)> {\n",
            "    if LEAKED.load(std::sync::atomic::Ordering::Relaxed) > 300 {\n",
            "        return Err((axum::http::StatusCode::SERVICE_UNAVAILABLE, \"no connection is left\\n\"));\n",
            "    }\n",
            "    Ok(\"ok\\n\")\n",
            "}\n",
        ),
    )
}

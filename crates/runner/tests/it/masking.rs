use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::world::{StepExt, World, github, run, secret};

/// Secrets in every form that a step could write, in pieces and in bulk: none is in an event, nor in any file.
#[tokio::test]
async fn no_secret_is_shown_in_any_form() {
    let world = World::host().await;
    let (one, many) =
        ("s3cr3t&value/1", "-----BEGIN KEY-----\nMIIabcdef0123456789\nzzzYYYxxxWWW\n-----END KEY-----");
    let script = "printf '%s\\n' \"$ONE\" \"$MANY\"
printf '%s' \"${ONE:0:7}\"; sleep 0.05; printf '%s split\\n' \"${ONE:7}\"
printf '%s' \"x$ONE\" | base64
printf '%s' \"xy$ONE-and-more\" | base64
echo 's3cr3t%26value%2F1'
for i in $(seq 1 4000); do printf 'padding-padding-padding-%s-' \"$ONE\"; done; echo
echo \"::warning::about $ONE\"
echo \"summary $ONE\" >> $GITHUB_STEP_SUMMARY
echo \"$ONE\" >&2";
    let mut order =
        github(vec![run(script).env("ONE", "${{ secrets.ONE }}").env("MANY", "${{ secrets.MANY }}")]);
    secret(&mut order, "ONE", one);
    secret(&mut order, "MANY", many);
    let done = world.run(order).await;
    done.succeeded();
    let all = done.all();
    let inside = STANDARD.encode(format!("x{one}"));
    for form in [one, "s3cr3t", "MIIabcdef", "zzzYYY", "BEGIN KEY", &inside[4..16]] {
        assert!(!all.contains(form), "{form} is shown");
    }
    assert!(all.contains("*** split") && all.matches("padding-***").count() > 3000, "{}", &all[..2000]);
    let left = std::process::Command::new("grep").args(["-rl", one]).arg(world.data()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

use sluice_dialect_github::read;

#[test]
fn a_workflow_becomes_a_plan() {
    let text = r#"name: CI
run-name: Run ${{ github.run_number }}
on: push
env: { A: 1, B: "${{ vars.B }}" }
defaults: { run: { shell: bash } }
permissions: { contents: read, packages: write }
concurrency: { group: "ci-${{ github.ref }}", cancel-in-progress: true }
jobs:
  build:
    name: Build ${{ matrix.os }}
    runs-on: ${{ matrix.os }}
    timeout-minutes: 10
    strategy:
      fail-fast: false
      max-parallel: 2
      matrix:
        os: [ubuntu-latest, 3.10]
        exclude: [{ os: x }]
        include: ${{ fromJSON(vars.MORE) }}
    container: { image: "node:20", options: --cpus 1, credentials: { username: u, password: "${{ secrets.P }}" } }
    services:
      db: { image: postgres, ports: [5432], env: { P: x }, command: postgres -c 'a b' }
    outputs: { v: "${{ steps.v.outputs.v }}" }
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }
      - { id: v, run: "echo v=1 >> $GITHUB_OUTPUT", background: true }
      - { uses: ./.github/actions/x, if: "${{ failure() }}" }
      - { uses: "docker://alpine:3", continue-on-error: true, timeout-minutes: 2.5 }
      - wait: v
      - wait-all:
      - parallel: [{ run: a }, { run: b }]
      - { run: "echo ${{ 'literal' }} ${{ matrix.os }}", env: "${{ fromJSON(vars.E) }}", shell: sh, working-directory: w }
  deploy:
    needs: [BUILD]
    if: github.ref == 'refs/heads/main'
    runs-on: { group: g, labels: [a, b] }
    environment: { name: production, url: "https://${{ github.sha }}" }
    concurrency: deploy
  call:
    uses: owner/repo/.github/workflows/x.yml@v1
    with: { a: 1 }
    secrets: inherit
"#;
    let read = read(".github/workflows/ci.yml", text, &|_| None);
    assert!(read.workflow.is_some(), "{:?}", read.diagnostics);
    let plan = read.workflow.unwrap().plan().unwrap();
    insta::assert_json_snapshot!(plan);
    let stored = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<sluice_plan::Plan>(&stored).unwrap(), plan);
}

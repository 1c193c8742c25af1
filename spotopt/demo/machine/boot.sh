# What the demo's image does at boot, before its agent starts. Sourced by the machine's user data.
export DEMO_ROLE_FILE="$PWD/role"
export SPOTOPT_STATE_DIR="$PWD/agent"
export SPOTOPT_HOOKS_DIR="$DEMO_MACHINE/hooks"
"$DEMO_PYTHON" -S "$DEMO_MACHINE/workload.py" &

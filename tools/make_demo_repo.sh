#!/bin/sh
# Make the sample repository that the demo's git server shows: make_demo_repo.sh FOLDER.
set -eu
folder=$1
mkdir -p "$folder"
if ! command -v git >/dev/null; then
    echo "git is not installed, so the demo's git server will report itself as down; the others work." >&2
    exit 0
fi
cd "$folder"
[ -d .git ] && exit 0
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.com GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.com
export GIT_AUTHOR_DATE=2026-01-05T09:00:00Z GIT_COMMITTER_DATE=2026-01-05T09:00:00Z
git init -q -b main .
printf '# Sample\n\nA repository for the demo profile.\n' > README.md
printf 'def greet(name: str) -> str:\n    return f"Hello, {name}"\n' > greet.py
git add README.md greet.py
git commit -q -m "Say hello"

#!/bin/sh
# Install and start what the tests use beside Python: PostgreSQL, Redis, Chromium, and clients that run on Node.
# Whatever is there already is left as it is.
set -eu
cd "$(dirname "$0")/.."
sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
updated=
install() {
    command -v apt-get >/dev/null || { echo "Install: $*" >&2; exit 1; }
    [ -n "$updated" ] || { $sudo apt-get update -qq; updated=yes; }
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq "$@" >/dev/null
}

command -v chromium >/dev/null || install chromium
command -v redis-server >/dev/null || install redis-server
command -v npm >/dev/null || install npm
command -v git >/dev/null || install git
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || install nginx-light
if [ ! -e tests/clients/node/node_modules/.done ] || [ tests/clients/node/package-lock.json -nt tests/clients/node/node_modules/.done ]; then
    # As the lock says. Not `npm ci`, which also insists on programs for other systems that the lock leaves out.
    (cd tests/clients/node && npm install --no-save --no-progress --loglevel=error >/dev/null)
    touch tests/clients/node/node_modules/.done
fi

# VS Code for a browser. What its package would build on the way in, its server does without here.
vscode=tests/clients/vscode/node_modules
if [ ! -e $vscode/code-server ]; then
    rm -rf $vscode && mkdir -p $vscode
    cd $vscode
    npm pack --silent code-server@4.139.1 >/dev/null
    echo "75b76d3870dbcb7a4c08627f586a03344ca017be182171020c7405bdb6f2fb33  code-server-4.139.1.tgz" | sha256sum -c --quiet -
    tar xzf code-server-4.139.1.tgz && rm code-server-4.139.1.tgz
    (cd package/lib/vscode && npm install --ignore-scripts --omit=dev --no-audit --no-fund --no-progress --loglevel=error >/dev/null)
    mv package code-server
    cd "$OLDPWD"
fi

# PostgreSQL: the one that HUB_TEST_POSTGRES names, one that trusts local users on 127.0.0.1:5432, or one of our own on 54329.
reachable() { PYTHONPATH=. .venv/bin/python -m tests.support.databases; }
if ! reachable 2>/dev/null; then
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || install postgresql
    bin=$(dirname "$(ls /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
    data=${TMPDIR:-/tmp}/hub-test-postgres-$(id -u)
    as() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "$*"; else sh -c "$*"; fi; }
    if [ ! -e "$data/PG_VERSION" ]; then
        mkdir -p "$data"
        if [ "$(id -u)" = 0 ]; then chown postgres "$data"; fi
        as "$bin/initdb -D $data -U postgres --auth=trust >/dev/null"
    fi
    as "$bin/pg_ctl -D $data -o '-h 127.0.0.1 -p 54329 -k $data' -l $data/log -w start >/dev/null"
    reachable
fi

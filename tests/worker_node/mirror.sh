# Where Debian packages come from, for the recipes; source it after bin/lib.sh.
# The machine's own apt configuration decides, so that a site's mirror, proxy and
# credentials serve here as they do for apt-get.
# shellcheck shell=bash

KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

# host_uri RELEASE-PATTERN prints the first Debian mirror of this machine for such a suite.
host_uri() {
    local format='$(COMPONENT) $(RELEASE) $(REPO_URI) $(ORIGIN)'
    apt-get indextargets --format "$format" 'Created-By: Packages' 2>/dev/null |
        awk -v release="$1" '$1 == "main" && $2 ~ release && $3 ~ /^https?:/ &&
            ($4 == "Debian" || $4 == "") && !seen++ { print $3 }'
}

# sources SUITE… prints sources.list lines for the suites, with their security updates
# where the mirror has them.
sources() {
    local codename uri security suite try
    try=$(mktemp)
    codename=$(. /etc/os-release && [[ $ID == debian ]] && echo "$VERSION_CODENAME")
    uri=$(host_uri "^${codename:-none}\$")
    security=$(host_uri '(-security|/updates)$')
    if [[ -z $uri ]]; then
        uri=http://deb.debian.org/debian
        security=http://deb.debian.org/debian-security
    fi
    for suite in "$@"; do
        echo "deb [signed-by=$KEYS] $uri $suite main"
        [[ -n $security && $suite != sid ]] || continue
        /usr/lib/apt/apt-helper download-file "${security%/}/dists/$suite-security/InRelease" "$try" >/dev/null 2>&1 &&
            echo "deb [signed-by=$KEYS] $security $suite-security main"
    done
    rm -f "$try"
}

# root_file_system FOLDER SUITE PACKAGES-WITH-COMMAS [mmdebstrap option…] < sources.list
root_file_system() {
    local folder=$1 suite=$2 packages=$3
    shift 3
    local conf
    conf=$(mktemp)
    # mmdebstrap's apt reads nothing of the machine's own configuration: how to reach the
    # mirror has to be handed on. What could change the content of the result is not.
    apt-config dump 2>/dev/null |
        grep -E '^Acquire::(http|https|Check-Date|Check-Valid-Until|Max-ValidTime|ForceIPv|Retries)' >"$conf" || true
    printf '%s\n' 'Acquire::Languages "none";' 'Acquire::Retries "3";' >>"$conf"
    local auth=()
    [[ -n $(cat /etc/apt/auth.conf /etc/apt/auth.conf.d/* 2>/dev/null) ]] && auth=(
        --setup-hook='mkdir -p "$1/etc/apt"; cat /etc/apt/auth.conf /etc/apt/auth.conf.d/* >"$1/etc/apt/auth.conf" 2>/dev/null; chmod 600 "$1/etc/apt/auth.conf"')
    # What apt was told on the way (mirrors, proxies, credentials) is this machine's business
    # and stays out of the result; so does what no test reads: documentation and apt's lists.
    mmdebstrap --quiet --mode=root --variant=minbase ${packages:+--include="$packages"} \
        --aptopt="$conf" --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        "${auth[@]}" "$@" \
        --customize-hook='cd "$1" && rm -rf etc/apt/auth.conf etc/apt/apt.conf.d/99mmdebstrap etc/apt/sources.list etc/resolv.conf etc/hostname var/lib/apt/lists/* var/cache/apt/*.bin var/cache/debconf/*-old var/lib/dpkg/*-old && find var/log -type f -delete' \
        "$suite" "$folder" - >&2
    local rc=$?
    rm -f "$conf"
    return $rc
}

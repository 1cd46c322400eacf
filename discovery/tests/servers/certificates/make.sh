#!/usr/bin/env bash
# Makes the certificates of the tests anew, valid for a hundred years: `bash make.sh` in this directory. Their keys
# are public, for they are here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
        -subj "/CN=skep test $1" -keyout "$1.key" -out "$1.pem" -addext basicConstraints=critical,CA:true \
        -addext keyUsage=critical,keyCertSign 2>/dev/null
}

# signed NAME: by the authority
signed() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:false\n' |
        openssl x509 -req -in "$1.csr" -CA authority.pem -CAkey authority.key -days 36500 -extfile /dev/stdin \
            -out "$1.pem" 2>/dev/null
    rm "$1.csr"
}

authority authority
authority stranger
signed server
signed client
rm authority.key stranger.key # nothing more is signed

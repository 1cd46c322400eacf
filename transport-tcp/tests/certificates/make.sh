#!/usr/bin/env bash
# Makes the certificates of the tests anew, valid for a hundred years: `bash make.sh` in this directory. Their keys
# are public, for they are here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
        -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" -addext basicConstraints=critical,CA:true \
        -addext keyUsage=critical,keyCertSign 2>/dev/null
}

# node NAME AUTHORITY FILE
node() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$3.key" -out "$3.csr" 2>/dev/null
    printf 'subjectAltName=DNS:%s\nbasicConstraints=CA:false\n' "$1" |
        openssl x509 -req -in "$3.csr" -CA "$2.pem" -CAkey "$2.key" -days 36500 -extfile /dev/stdin \
            -out "$3.pem" 2>/dev/null
    rm "$3.csr"
}

authority ours
authority theirs
node a ours a
node b ours b
node a theirs a-theirs
node b theirs b-theirs
rm ours.key theirs.key # nothing more is signed

#!/bin/sh
# Builds the plugin's library beside plugin.json. GATEHOUSE: where Gatehouse is installed.
set -e
cd "$(dirname "$0")"
swift build -c release
cp .build/release/libMaskDigits.so libMaskDigits.so.new
mv libMaskDigits.so.new libMaskDigits.so

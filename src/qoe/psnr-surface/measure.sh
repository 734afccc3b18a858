#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes encodes.csv (about a quarter of an hour on two cores): measure.sh BUILD/tests/psnr-surface > encodes.csv
set -eu
tool=$1
echo 'kind,seed,start,source_height,preset,height,fps,target_kbps,kbps,psnr_db,complexity,si,ti'
clip() {
  "$tool" --kind "$1" --seed "$2" --start "$3" --rates 15,30,45,60 --heights 240 --bitrates 200,400,800,1600
  "$tool" --kind "$1" --seed "$2" --start "$3" --rates 15,30,45,60 --heights 360 --bitrates 200,400,800,1600,3200
  "$tool" --kind "$1" --seed "$2" --start "$3" --rates 15,30,45,60 --heights 480 --bitrates 200,400,800,1600,3200,6400
  "$tool" --kind "$1" --seed "$2" --start "$3" --rates 15,30,45,60 --heights 540 --bitrates 400,800,1600,3200,6400,12800
  "$tool" --kind "$1" --seed "$2" --start "$3" --rates 15,30,45,60 --heights 720 --bitrates 400,800,1600,3200,6400,12800,20000
}
# sideways, towards the horizon, from above: three worlds, no cut inside
clip calm 3 700
clip medium 1 700
clip wild 5 30
clip calm 2 30
clip medium 4 600
clip wild 1 1200
clip calm 1 30
clip medium 2 600
clip wild 4 1200
# a larger source, coded at two sizes
for kind in calm medium wild; do
  "$tool" --kind $kind --seed 2 --start 30 --width 1920 --height 1080 --rates 30,60 --heights 540,720,1080 --bitrates 1600,6400,20000
done
# for comparison alone, not fitted: other presets, and clips that the fit has not seen
for preset in ultrafast veryfast medium; do
  "$tool" --kind medium --seed 4 --start 600 --rates 60 --heights 360,720 --bitrates 800,3200,12800 --preset $preset
done

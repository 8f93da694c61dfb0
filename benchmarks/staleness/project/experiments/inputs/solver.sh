#!/bin/sh
echo $(( $1 * 31 + 17 ))

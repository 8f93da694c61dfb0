. ./numbers.sh
echo $(( $1 * a + b * 3 ))

package newcomer // want arrows: package newcomer is in no layer

"""The check that Keras orders axes as `(batch, height, width, channels)`, the only order that layers here know."""

import keras


def check_channels_last(reader: str) -> None:
    """Raises if Keras is set to channels first, which layers here would silently read in the wrong order.

    Args:
        reader: Name of the layer or model in the message.

    Raises:
        ValueError: If `keras.config.image_data_format()` is not `"channels_last"`.

    Example:

    >>> check_channels_last("Gate")
    """
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            f"{reader} takes images and maps (batch, height, width, channels), and Keras is set to channels first. "
            "Call keras.config.set_image_data_format('channels_last'), or set it in keras.json. "
            f"Received: image_data_format={keras.config.image_data_format()!r}"
        )
